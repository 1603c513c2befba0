"""Training loop: state, inputs, epochs, optimizers and averaging."""
