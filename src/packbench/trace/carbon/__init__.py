"""Carbon footprint of a battery's lives: kg CO2e per kWh delivered, by stage, with the sources of every factor."""
