"""From normal video of one camera to a model of what is usual there. Needs the extra ``torch``."""
