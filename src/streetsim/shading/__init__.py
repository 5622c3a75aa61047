"""Light: sun with shadows, sky, ambient occlusion, haze, and the film that turns radiance into pixels."""
