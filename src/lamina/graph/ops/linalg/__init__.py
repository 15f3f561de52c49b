"""Factorisations and functions of matrices that a library computes: the last two axes of x.

Products, norms and whatever else ordinary ops say are functions of `tensor/linalg`.
"""
