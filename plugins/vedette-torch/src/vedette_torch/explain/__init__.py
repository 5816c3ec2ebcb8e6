"""Where a network looks: the Grad-CAM family on a training run; and activation maps put into bundles."""
