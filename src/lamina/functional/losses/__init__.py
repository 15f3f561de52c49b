"""How wrong a prediction is: one number, or one for each example."""
