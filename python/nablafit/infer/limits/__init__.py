"""Upper limits, of one model and of grids of signals."""
