"""What ``vedette new-plugin`` writes: a complete package for each kind of plugin, and the code that fills it in."""
