"""Edges, padding and four networks of a PyTorch course: the printed numbers and shapes, on any backend.

In the original, `Conv2D.__init__` lacks `super().__init__()` and cannot run; the comment "stride 2" stands over a
padding of 2, so its output is 10x10; and its shape loops run dropout and batch norm in training mode.
"""

import numpy as np
import typer

import unicnn as un


def learn_edges(backend, steps=10, rate=0.03):
    """Return the kernel and the losses of gradient descent from a random kernel towards [1, -1]."""
    x = np.ones((1, 1, 6, 8), np.float32)
    x[..., 2:6] = 0
    model = un.Sequential([("conv", un.Conv2d(1, (1, 2), bias=False))], input=(1, 6, 8))
    detect = un.lower(model, backend, weights={"conv.weight": np.array([[[[1, -1]]]], np.float32)})
    y = detect(x)
    assert (y == [0, 1, 0, 0, 0, -1, 0]).all()
    assert (
        un.lower(un.Sequential([("conv", un.Conv2d(1, (1, 2), bias=False))], input=(1, 8, 6)), backend, weights=detect.weights())(
            np.ascontiguousarray(x.swapaxes(2, 3))
        )
        == 0
    ).all()

    program, losses = un.lower(model, backend, seed=1), []
    for _ in range(steps):
        loss, gradients = program.gradients(x, y, un.SquaredError(reduction="sum"))
        program.load({"conv.weight": program.weights()["conv.weight"] - np.float32(rate) * gradients["conv.weight"]})
        losses.append(loss)
    return program.weights()["conv.weight"].ravel(), losses


def main(backend: str = "numpy"):
    kernel, losses = learn_edges(backend)
    print(f"learned kernel: {kernel.round(3).tolist()} after losses {[round(loss, 3) for loss in losses[1::2]]}")
    assert np.abs(kernel - [1, -1]).max() < 0.1
    assert losses[-1] < losses[0]

    sizes = {"k3 p1": un.Conv2d(1, 3, padding=1), "k5x3 p2x1": un.Conv2d(1, (5, 3), padding=(2, 1)), "k3 p2": un.Conv2d(1, 3, padding=2)}
    sizes |= {"k3x5 p0x1 s3x4": un.Conv2d(1, (3, 5), padding=(0, 1), stride=(3, 4)), "k3 p1 s2": un.Conv2d(1, 3, padding=1, stride=2)}
    found = {
        name: un.lower(un.Sequential([op], input=(1, 8, 8)), backend)(np.ones((1, 1, 8, 8), np.float32)).shape[2:]
        for name, op in sizes.items()
    }
    print("from 8x8:", found)
    assert list(found.values()) == [(8, 8), (8, 8), (10, 10), (2, 2), (4, 4)]

    for build, parameters in (
        (un.zoo.vgg11, 128_806_154),
        (un.zoo.vgg11_quarter, 43_093_322),
        (un.zoo.nin, 1_992_166),
        (un.zoo.resnet18, 11_178_378),
    ):
        graph = un.infer(build())
        print(f"{graph.model.name}: {graph.size:,} parameters, {graph.multiply_adds:,} multiply-adds")
        assert graph.size == parameters
    x = np.zeros((1, 1, 224, 224), np.float32)
    nin = un.lower(un.zoo.nin(), backend).outputs(x)
    assert [nin[name].shape[1:] for name in ("block1.relu3", "pool1", "block2.relu3", "pool2", "block3.relu3", "pool3", "block4.relu3", "pool4")] == [
        (96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 5, 5), (10, 5, 5), (10, 1, 1),
    ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
