"""A slice of a convolution's output along the channels ends the process: oneDNN divides by zero.

A convolution leaves its output in blocks of 8 or 16 channels. `slice` with an end that is no whole number of blocks then computes with
a number of blocks of 0.

    pip install mxnet==1.9.1 'numpy<2'
    python reproduce.py

Exits with 1 if the process that slices ends by a signal, with 0 if it does not; with MXNET_MKLDNN_ENABLED=0 it does not.
"""

import subprocess
import sys

SLICE = """
import numpy as np

np.bool = bool  # MXNet 1.9.1 reads it while it is imported
import mxnet as mx

print("MXNet", mx.__version__)
y = mx.nd.Convolution(mx.nd.ones((1, 3, 4, 4)), mx.nd.ones((8, 3, 1, 1)), no_bias=True, num_filter=8, kernel=(1, 1))
print(mx.nd.slice(y, begin=(0, 0), end=(1, 1)).asnumpy().ravel())
"""


def main():
    """Slice in another process, and tell how that ended."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", SLICE], stdout=subprocess.PIPE, text=True, check=False)
    print(run.stdout.strip())
    print(f"the process ended with {run.returncode}: MXNet is {'wrong' if run.returncode < 0 else 'right'}")
    return int(run.returncode < 0)


if __name__ == "__main__":
    sys.exit(main())
