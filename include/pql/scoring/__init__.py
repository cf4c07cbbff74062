"""Features in, stages, points, reasons and the qualified flag out; pure."""
