"""The stress tool: publishers and viewers in processes of their own, exact schedules, and a report that adds up."""
