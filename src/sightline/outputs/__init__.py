"""Results to the outside, as the operator set it up: files that rotate, webhooks, MQTT. No sink holds a stream up."""
