"""Names that a person would give: classes after networks and paths, attributes that are no reserved words."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterable

_SPELLINGS = {
    "alexnet": "AlexNet", "cnn": "CNN", "convnext": "ConvNeXt", "densenet": "DenseNet", "efficientnet": "EfficientNet",
    "googlenet": "GoogLeNet", "inception": "Inception", "lenet": "LeNet", "mlp": "MLP", "mnasnet": "MNASNet",
    "mobilenet": "MobileNet", "nin": "NiN", "regnet": "RegNet", "resnet": "ResNet", "resnext": "ResNeXt", "se": "SE",
    "shufflenet": "ShuffleNet", "squeezenet": "SqueezeNet", "tf": "TF", "unet": "UNet", "vgg": "VGG", "xception": "Xception",
}  # fmt: skip
"""How the authors of well-known networks spell them."""


def class_name(name: str) -> str:
    """Return the name of a network's class: LeNet of "lenet", InceptionBlock of "inception-block"."""
    words = [_word(word) for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    joined = "".join(words)
    return safe(joined if joined[:1].isalpha() else f"Net{joined}")


def network_name(cls: str) -> str:
    """Return what the network of a class is called, such that `class_name` gives the class back: "resnet50" of "ResNet50"."""
    if class_name(cls.lower()) == cls:
        return cls.lower()
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls).replace("_", "-").lower()
    return parted if class_name(parted) == cls else cls


def _word(word: str) -> str:
    stem, digits = re.fullmatch(r"(.*?)(\d*)", word).groups()  # type: ignore[union-attr]
    name, version = re.fullmatch(r"(.*?)(v|)", stem).groups() if digits else (stem, "")  # type: ignore[union-attr]
    known = _SPELLINGS.get(name.lower())
    if known is None:
        known, version = stem if stem != stem.lower() else stem.capitalize(), ""
    return f"{known[:1].upper()}{known[1:]}{version.upper()}{digits}"


def snake(name: str) -> str:
    """Return the name of a function: basic_block of "BasicBlock"."""
    return safe(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def stem(path: str) -> str:
    """Return what a part is called without its number: "Block" of "stage1.block2", "Block" also of "layer1.0"."""
    tail = path.rpartition(".")[2].rstrip("0123456789").rstrip("_-")
    return class_name(tail) if re.search("[A-Za-z]", tail) else "Block"


def identifier(name: str, reserved: Collection[str] = ()) -> str:
    """Return an attribute's name as near to `name` as Python and the dialect allow."""
    plain = re.sub(r"\W", "_", name)
    return safe(plain if not plain[:1].isdigit() else f"_{plain}", reserved)


def safe(name: str, reserved: Collection[str] = ()) -> str:
    """Return `name`, with an underscore after it if it means something already."""
    return f"{name}_" if keyword.iskeyword(name) or name in reserved or hasattr(builtins, name) else name


def unused(name: str, taken: Collection[str]) -> str:
    """Return `name`, or the first of name2, name3, … that is not taken."""
    return next(candidate for candidate in _numbered(name) if candidate not in taken)


def _numbered(name: str) -> Iterable[str]:
    yield name
    separator = "_" if name[-1:].isdigit() else ""
    for i in range(2, 10**6):
        yield f"{name}{separator}{i}"
