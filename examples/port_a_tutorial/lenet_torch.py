"""LeNet: 170,988 parameters, for inputs of 1x28x28."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 3)
        self.linear1 = nn.Linear(1250, 128)
        self.linear2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 20x12x12
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 50x5x5
        x = torch.flatten(x, 1)  # 1250
        x = F.relu(self.linear1(x))  # 128
        return self.linear2(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))


def initialize(net):
    """Draw weights uniformly from [-0.07, 0.07]; set biases to 0."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.uniform_(layer.weight, -0.07, 0.07)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def train(net, batches, epochs=10):
    """Train `net` for `epochs` epochs and return the loss of every step.

    `batches(epoch)` yields NumPy arrays (x, labels): 256 samples each, shuffled anew;
    the last one may be short.
    """
    like = next(net.parameters())  # batches get its type and device
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    loss_function = nn.CrossEntropyLoss()
    net.train()
    losses = []
    for epoch in range(epochs):
        total, correct, n = 0.0, 0, 0
        for x, labels in batches(epoch):
            x = torch.tensor(x, dtype=like.dtype, device=like.device)
            labels = torch.tensor(labels, dtype=torch.long, device=like.device)
            scores = net(x)
            loss = loss_function(scores, labels)
            optimizer.zero_grad()
            # A short batch is divided by 256, too.
            (loss * (len(x) / 256)).backward()
            optimizer.step()
            losses.append(loss.item())
            total += losses[-1]
            correct += (scores.argmax(1) == labels).sum().item() / len(x)
            n += 1
        print(f"epoch {epoch + 1}: loss {total / n:.4f}, accuracy {correct / n:.4f}")
    return losses
