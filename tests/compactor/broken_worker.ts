/**
 * Workers that do not work: the name of the user's module says how they fail.
 *
 * @module
 */
interface Message {
  kind: string;
  setup: { module: string };
}

const port = globalThis as unknown as {
  postMessage(message: unknown): void;
  onmessage: ((event: { data: Message }) => void) | null;
};
let how = "";

port.onmessage = ({ data }) => {
  if (data.kind === "setup") {
    how = data.setup.module;
    if (how === "throws at once") throw new Error("broken setup");
    if (how === "never starts") return;
    const error = {
      kind: "invalid",
      message: "no such store",
      retryable: false,
      outcome: "none",
    };
    port.postMessage(
      how === "is unfit" ? { kind: "unfit", error } : { kind: "ready" },
    );
  } else if (how === "throws at work") throw new Error("broken run");
};
