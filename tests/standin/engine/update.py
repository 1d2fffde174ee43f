"""One run of the engine over a stack: the program, the operations, the records."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from . import faults, values
from .deployment import Deployment
from .display import Display
from .failure import Failure
from .language import Language
from .operations import OperationEnded, Operations, Stopped
from .options import Options
from .preview_json import Digest
from .project import holds_secret, opened, text_of
from .records import died_text, environment, pending_text
from .refreshing import refresh
from .session import Session, out
from .signals import Signals
from .snapshot import Snapshot
from .stream import Stream


class Update(Enum):
    """What is run: the history's name of it, the title, and whether anything is written."""

    PREVIEW = ("preview", "Previewing update", True)
    UP = ("update", "Updating", False)
    REFRESH = ("refresh", "Refreshing", False)
    REFRESH_PREVIEW = ("refresh", "Previewing refresh", True)
    DESTROY = ("destroy", "Destroying", False)
    DESTROY_PREVIEW = ("destroy", "Previewing destroy", True)

    @property
    def kind(self) -> str:
        return self.value[0]

    @property
    def title(self) -> str:
        return self.value[1]

    @property
    def dry(self) -> bool:
        return self.value[2]


class Run:
    """`open` checks the configuration, `go` does it all; `failed` and `changed` say what came of it."""

    def __init__(self, session: Session, update: Update, on_abandon: Callable[[], None]) -> None:
        self._session, self._update, self._arguments = session, update, session.arguments
        self._on_abandon = on_abandon
        self.failed = False
        self.changed = False
        self._recorded = False

    def open(self) -> None:
        """Configuration and secrets; raises Failure."""
        config = self._session.config
        try:
            self._vault = config.vault()
            self._config = {
                key: opened(value, self._vault) for key, value in config.in_force().items()
            }
        except Failure as wrong:
            raise Failure(
                f"getting stack configuration: get stack secrets manager: {wrong.text}"
            ) from None
        self._sealed = config.in_force()

    def go(self) -> None:
        json_out = self._arguments.has("--json")
        title = f"{self._update.title} ({self._session.stack}):"
        display = Display(title, self._session.root_urn, preview=self._update.dry, quiet=json_out)
        self._started = time.time()
        snapshot = Snapshot(self._session.files, self._vault, preview=self._update.dry)
        stream = Stream(
            self._arguments.get("--event-log"), json_lines=json_out and not self._update.dry
        )
        stream.listen(display.hear)
        digest = Digest(snapshot)
        stream.listen(digest.hear)
        self._ops = Operations(snapshot, stream, preview=self._update.dry)
        self._deployment = Deployment(
            self._ops, self._session.stack, self._session.project.name, self._options()
        )
        self._signals = Signals(self._ops, self._deployment.providers, self._abandon)
        stream.emit("preludeEvent", {"config": self._shown_config()})
        self._environment: dict[str, str] = {}
        with self._signals:
            error = self._work()
        self.changed = any(
            self._ops.counts[op] for op in self._ops.counts if op not in ("same", "read")
        )
        self.failed = self._ops.failed or bool(error)
        self._close(display, stream, digest, error)

    def _work(self) -> str:
        """Everything between the prelude and the summary; a text is an error of the end."""
        try:
            self._pending()
            if self._update.kind == "refresh":
                refresh(self._deployment, alone=True)
            else:
                if self._arguments.has("--refresh"):
                    refresh(self._deployment, alone=False)
                if self._update.kind != "destroy":
                    self._program()
                if not self._ops.failed and not self._ops.stopped:
                    self._deployment.require_targets()
                    self._deployment.delete_the_rest()
                elif self._arguments.has("--continue-on-error") and self._update.kind == "destroy":
                    self._deployment.delete_the_rest()
        except OperationEnded:
            self._ops.stop()
        except Stopped:
            pass
        except Failure as wrong:
            self._ops.failed = True
            self._ops.stream.diagnostic("error", wrong.text)
        self._ops.wait_idle()
        word = "preview" if self._update.dry else self._update.kind
        if self._ops.cancelled.is_set():
            self._ops.failed = True
            self._ops.stream.diagnostic("error", f"{word} canceled")
        elif self._ops.failed and self._step_failed():
            self._ops.stream.diagnostic(
                "error", f"{'preview' if self._update.dry else 'update'} failed"
            )
        return ""

    def _step_failed(self) -> bool:
        return self._ops.failed and not self._deployment.refused and not self._program_failed

    _program_failed = False

    def _pending(self) -> None:
        pending = self._ops.snapshot.pending
        creating = [one for one in pending if one["type"] == "creating"]
        if (
            pending
            and self._update in (Update.UP, Update.DESTROY)
            and not self._arguments.has("--refresh")
        ):
            self._ops.stream.diagnostic("warning", pending_text(pending), self._session.root_urn)
        clears = self._arguments.has("--clear-pending-creates") or self._arguments.get(
            "--import-pending-creates"
        )
        self._ops.snapshot.pending = [] if clears else creating

    def _program(self) -> None:
        from .monitor import serve

        server, address = serve(self._deployment)
        language = Language(self._arguments.get("--client"), self._session.project)
        about = language.about()
        self._environment = about
        try:
            error, alive = language.run(
                project=self._session.project.name,
                stack=self._session.stack,
                pwd=str(self._session.cwd),
                program=".",
                args=[address],
                config={key: text_of(value) for key, value in self._config.items()},
                configSecretKeys=[
                    key for key, value in self._sealed.items() if holds_secret(value)
                ],
                dryRun=self._update.dry,
                parallel=min(int(self._arguments.get("--parallel") or 16), 64),
                monitor_address=address,
                organization="organization",
            )
            if not alive:
                self._ops.failed = True
                self._ops.stop()
            elif error and not self._ops.stopped:
                self._program_failed = True
                self._ops.failed = True
                self._ops.stream.diagnostic("error", f"an unhandled error occurred: {error}")
            self._ops.wait_idle()
        finally:
            language.close()
            server.stop(0.5)

    def _close(self, display: Display, stream: Stream, digest: Digest, error: str) -> None:
        snapshot, counts = self._ops.snapshot, {k: v for k, v in self._ops.counts.items() if v}
        counts.pop("create-replacement", None)
        took = int(time.time() - self._started) + 1
        summary = {
            "maybeCorrupt": False,
            "durationSeconds": took,
            "resourceChanges": counts,
            "PolicyPacks": {},
            "isPreview": self._update.dry,
            "result": "failed" if self.failed else "succeeded",
        }
        stream.emit("summaryEvent", summary)
        if self._ops.died:
            stream.diagnostic("error", died_text(self._ops.died))
        if not self._update.dry:
            try:
                snapshot.write()
                faults.strike("finished")
                self._record("failed" if self.failed else "succeeded")
            except Failure as wrong:
                stream.diagnostic("error", wrong.text)
                self.failed = True
        outputs = None
        if not self._arguments.has("--suppress-outputs") and self._update.kind != "destroy":
            root = self._deployment.root or snapshot.find(self._session.root_urn) or {}
            old = (
                self._deployment.old_outputs if self._deployment.root else root.get("outputs") or {}
            )
            outputs = (old, root.get("outputs") or {})
        self._deployment.providers.cancel()
        display.end(counts, outputs, took_s=took)
        stream.close()
        if self._arguments.has("--json") and self._update.dry:
            digest.show(counts, took)
        elif not self._arguments.has("--json"):
            out("")

    def _abandon(self) -> None:
        """The second signal: whatever is under way stays pending."""
        try:
            self._record("failed")
        finally:
            self._on_abandon()

    def left(self) -> None:
        faults.strike("released")

    def _record(self, result: str) -> None:
        if self._recorded or self._update.dry:
            return
        self._recorded = True
        entry = {
            "kind": self._update.kind,
            "startTime": int(self._started),
            "message": self._arguments.get("--message"),
            "environment": environment(self._arguments, self._environment),
            "config": self._sealed,
            "version": 0,
            "result": result,
            "endTime": int(time.time()),
            "resourceChanges": {k: v for k, v in sorted(self._ops.counts.items())
                                if v and k != "create-replacement"},
        }  # fmt: skip
        self._session.files.record(entry)

    def _shown_config(self) -> dict[str, str]:
        return {
            key: values.MASK if holds_secret(value) else text_of(value)
            for key, value in sorted(self._sealed.items())
        }

    def _options(self) -> Options:
        return Options(
            targets=self._arguments.all("--target"),
            excludes=self._arguments.all("--exclude"),
            target_dependents=self._arguments.has("--target-dependents"),
            replaces=self._arguments.all("--replace"),
            continue_on_error=self._arguments.has("--continue-on-error"),
            exclude_protected=self._arguments.has("--exclude-protected"),
        )
