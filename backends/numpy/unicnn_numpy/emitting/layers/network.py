"""Networks of layers."""


class Network:
    """Be layers by name, each with the names of the values that it takes, in order.

    The inputs have names, and a layer's name is that of its value. The output is the
    last layer's value, unless `outputs` names others.
    """

    def __init__(self, *inputs):
        self.inputs, self.outputs, self.layers = inputs, (), {}

    def add(self, name, layer, *values):
        """Add a layer that takes `values`, and return its name."""
        self.layers[name] = (layer, values)
        self.outputs = (name,)
        return name

    @property
    def parameters(self):
        """Return all parameters, and running statistics, by name."""
        return {
            f"{name}.{key}": array
            for name, (layer, _) in self.layers.items()
            for key, array in layer.parameters.items()
        }

    @property
    def gradients(self):
        """Return the gradients of the last backward pass by the parameters' names."""
        return {
            f"{name}.{key}": array
            for name, (layer, _) in self.layers.items()
            for key, array in layer.gradients.items()
        }

    def __call__(self, *inputs, training=False):
        """Return the output, or a tuple of several; `values` then holds all values."""
        self.values = dict(zip(self.inputs, inputs, strict=True))
        for name, (layer, taken) in self.layers.items():
            values = [self.values[value] for value in taken]
            self.values[name] = layer(*values, training=training)
        outputs = tuple(self.values[name] for name in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def backward(self, *gradients):
        """Fill the layers' gradients from those of the outputs.

        Return the inputs' gradients, None for an input that no output depends on.
        """
        found = {}
        for name, d in zip(self.outputs, gradients, strict=True):
            found[name] = found.get(name, 0) + d
        for name, (layer, taken) in reversed(self.layers.items()):
            if name in found:
                back = layer.backward(found.pop(name))
                for value, d in zip(taken, back, strict=True):
                    found[value] = found.get(value, 0) + d
        inputs = tuple(found.get(name) for name in self.inputs)
        return inputs if len(inputs) > 1 else inputs[0]


class KeyedNetwork(Network):
    """Be a network whose outputs have names for its caller: `keys`."""

    def __call__(self, *inputs, training=False):
        super().__call__(*inputs, training=training)
        outputs = zip(self.keys, self.outputs, strict=True)
        return {key: self.values[name] for key, name in outputs}

    def backward(self, gradients):
        return super().backward(*(gradients[key] for key in self.keys))


class Sequential(Network):
    """Be layers of which each takes what the one before it gives."""

    def __init__(self, value, /, **layers):
        super().__init__(value)
        for name, layer in layers.items():
            value = self.add(name, layer, value)
