"""Floor 10: networks people know, one file each."""

from lamina.models.digit_net import DigitNet as DigitNet
