"""Window that shows pictures, through SDL (pygame-ce)."""

from __future__ import annotations

import os

from sightline.core.errors import ConfigError
from sightline.core.install import install_command
from sightline.core.types import Image


def _no_screen(why: str) -> ConfigError:
    return ConfigError(f"no window can be opened here ({why}). Over SSH use --json, or leave --window out")


class Window:
    """Resizable window that opens with the first picture, in its size. q, Escape or its cross closes it. Main thread
    only.
    """

    def __init__(self, title: str) -> None:
        """Open the display. Raises ConfigError if pygame-ce is missing or there is no screen."""
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # otherwise pygame writes to standard output
        try:
            import pygame
        except ImportError:
            raise ConfigError(f"a window needs pygame-ce; run: {install_command('window')}") from None
        self._pygame = pygame
        try:
            pygame.display.init()
        except pygame.error as e:
            raise _no_screen(str(e)) from None
        if pygame.display.get_driver() == "offscreen":  # SDL's last resort, which nobody can see
            pygame.display.quit()
            raise _no_screen("there is no screen")
        pygame.display.set_caption(title)
        self._open = False

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._pygame.display.quit()

    def show(self, image: Image) -> None:
        """Show a picture, as large as the window allows without distortion."""
        pygame = self._pygame
        height, width = image.shape[:2]
        if not self._open:
            pygame.display.set_mode((width, height), pygame.RESIZABLE)
            self._open = True
        screen = pygame.display.get_surface()
        scale = min(screen.get_width() / width, screen.get_height() / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = pygame.image.frombuffer(image.tobytes(), (width, height), "BGR")
        if size != (width, height):
            picture = pygame.transform.smoothscale(picture, size)
        screen.fill((0, 0, 0))
        screen.blit(picture, ((screen.get_width() - size[0]) // 2, (screen.get_height() - size[1]) // 2))
        pygame.display.flip()

    def closed(self) -> bool:
        """True once somebody closed the window. Call it often, as it also keeps the window responsive."""
        pygame = self._pygame
        return any(
            event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key in (pygame.K_q, pygame.K_ESCAPE))
            for event in pygame.event.get()
        )
