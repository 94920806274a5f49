"""Pure torch: no configuration, no state. Imports nothing of the project's other layers."""
