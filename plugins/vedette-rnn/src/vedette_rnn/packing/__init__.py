"""From the folder of a training to a bundle: server side, with torch."""
