"""`python -m netspec` is `netspec`: the command line as a process of its own."""

from netspec.cli import signals


def main() -> None:
    """Run the command line; never returns."""
    signals.quit_at_once()
    from netspec.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
