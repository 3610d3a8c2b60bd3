"""MNIST and Fashion-MNIST."""

from bitspike.datasets._catalogue import FASHION_MNIST_ENTRY, MNIST_ENTRY
from bitspike.datasets._image_dataset import ImageDataset


class MNIST(ImageDataset):
    """Handwritten digits: 60,000 images to train with and 10,000 to test with.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
    recognition, Proceedings of the IEEE 86 (1998). Arguments and attributes are those of
    `ImageDataset`.
    """

    entry = MNIST_ENTRY


class FashionMNIST(ImageDataset):
    """Articles of clothing, in the form and number of MNIST but harder to tell apart.

    H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747 (2017). Arguments and
    attributes are those of `ImageDataset`.
    """

    entry = FASHION_MNIST_ENTRY
