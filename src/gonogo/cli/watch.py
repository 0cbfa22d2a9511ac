"""`gonogo watch`: stays and does what nobody has to ask for."""

from __future__ import annotations

import signal

import anyio
import typer

from gonogo.cli.command import Session, command

group = typer.Typer()


@command(group, "watch", "gonogo watch", panel="Act")
async def watch(session: Session) -> None:
    """Stay, and keep routes as they should be until interrupted."""
    from gonogo.watch.duties import keep_all
    from gonogo.watch.roster import roster

    duties = roster(session.settings)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        session.screen.line(f"Watching: {', '.join(duty.name for duty in duties) or 'nothing'}.")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_all, duties, session.app)
            async for _ in received:
                tasks.cancel_scope.cancel()
