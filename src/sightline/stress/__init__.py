"""Stress tool: publishers and viewers in separate processes, exact schedules, and a report whose counts add up."""
