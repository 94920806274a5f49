"""Pure functions: no configuration, no state. Imports nothing of the project's other layers."""
