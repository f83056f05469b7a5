"""Live outputs of results and events, as the operator configures them: rotating files, webhooks, MQTT."""
