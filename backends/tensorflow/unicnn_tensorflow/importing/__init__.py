"""Reading networks of Keras and TensorFlow: trace, walk, replay."""
