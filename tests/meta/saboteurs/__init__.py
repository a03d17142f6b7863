"""All saboteurs, family by family."""

from . import activation, averaging, conv, everywhere, gradients, identical, loss, memory, moving, norm, pool, precision, transposed
from .innocent import INNOCENT

FAMILIES = {
    "Convolution": conv.SABOTEURS,
    "Transposed convolution": transposed.SABOTEURS,
    "Precision": precision.SABOTEURS,
    "Pooling": (*pool.SABOTEURS, *averaging.SABOTEURS),
    "Normalisation and dropout": norm.SABOTEURS,
    "Activations": activation.SABOTEURS,
    "Moving and joining values": moving.SABOTEURS,
    "Losses": loss.SABOTEURS,
    "Gradients": gradients.SABOTEURS,
    "Memory, batches and repetition": memory.SABOTEURS,
    "Identical numerics": identical.SABOTEURS,
    "Every op at once": everywhere.SABOTEURS,
}
"""Every saboteur, by what it breaks."""
SABOTEURS = tuple(saboteur for family in FAMILIES.values() for saboteur in family)

__all__ = ["FAMILIES", "INNOCENT", "SABOTEURS"]
