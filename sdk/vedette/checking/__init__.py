"""Whether a model was packed rightly: common mistakes, tried on pictures and told by what the model then finds."""
