"""Control of rate and quality, so that latency stays on target."""
