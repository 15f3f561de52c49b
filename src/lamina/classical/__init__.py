"""Floor 10: classical learning with scikit-learn's interface, computed by Lamina's programs."""

from lamina.classical.gaussian_mixture import GaussianMixture as GaussianMixture
from lamina.classical.k_means import KMeans as KMeans
from lamina.classical.k_means import MiniBatchKMeans as MiniBatchKMeans
from lamina.classical.linear import LinearRegression as LinearRegression
from lamina.classical.linear import Ridge as Ridge
from lamina.classical.logistic import LogisticRegression as LogisticRegression
from lamina.classical.naive_bayes import BernoulliNB as BernoulliNB
from lamina.classical.naive_bayes import GaussianNB as GaussianNB
from lamina.classical.naive_bayes import MultinomialNB as MultinomialNB
from lamina.classical.neighbors import KNeighborsClassifier as KNeighborsClassifier
from lamina.classical.neighbors import KNeighborsRegressor as KNeighborsRegressor
from lamina.classical.pca import PCA as PCA
from lamina.classical.sgd import SGDClassifier as SGDClassifier
from lamina.classical.support_vectors import SVC as SVC
