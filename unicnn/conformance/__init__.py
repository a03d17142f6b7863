"""The conformance kit: cases as data, and the checks that a backend must pass on them."""
