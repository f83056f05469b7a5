"""Results and events to the outside, as the operator set it up: files that rotate, webhooks, MQTT."""
