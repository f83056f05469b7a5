"""What tests share: real servers, peers, made models and clips."""
