"""How much memory one pair of a box and a direction takes in bounds that follow the layers."""

from __future__ import annotations

from nnctrl.bounds.view import NetworkView


def bytes_of_layers(view: NetworkView) -> int:
    """A dozen vectors of every layer and six products of the two largest matrices, in bytes."""
    sizes = [affine.weight.shape for block in view.blocks for affine in block.affines]
    width = sum(int(rows) for rows, _ in sizes) + view.in_size
    largest = max(int(rows) * max(int(columns), view.in_size) for rows, columns in sizes)
    return 8 * (12 * width + 6 * largest)
