/** The keyboard of a demo that runs in a terminal. Without one there are no keys. */
import type { ReadStream } from 'node:tty';
import { emitKeypressEvents } from 'node:readline';

export interface Keys extends Disposable {
  /** Whether anybody could press one. */
  readonly live: boolean;
  /** The oldest key that was pressed and not taken; null: none. */
  take(): string | null;
  /** Forgets what was pressed. */
  clear(): void;
  /** Resolves when there is a key to take, or when `signal` aborts. */
  pressed(signal: AbortSignal): Promise<void>;
}

interface Keypress {
  readonly name?: string;
  readonly ctrl?: boolean;
  readonly sequence?: string;
}

/** A person may lean on the keyboard. */
const mostKept = 8;

/** `quit`: Ctrl-C or q. A terminal that gives single keys makes no signal of Ctrl-C. */
export function openKeys(input: ReadStream, quit: () => void): Keys {
  const kept: string[] = [];
  const waiting = new Set<() => void>();
  const live = input.isTTY === true;
  const onKey = (_: unknown, { name, ctrl = false, sequence }: Keypress) => {
    if ((ctrl && (name === 'c' || name === 'd')) || (!ctrl && name === 'q')) return quit();
    const key = name ?? sequence;
    if (ctrl || key === undefined || kept.length === mostKept) return;
    kept.push(key);
    for (const ring of waiting) ring();
  };
  if (live) {
    emitKeypressEvents(input);
    input.setRawMode(true);
    input.on('keypress', onKey).on('end', quit).resume();
  }
  return {
    live,
    take: () => kept.shift() ?? null,
    clear: () => void kept.splice(0),
    pressed: (signal) =>
      new Promise((resolve) => {
        const ring = () => {
          waiting.delete(ring);
          signal.removeEventListener('abort', ring);
          resolve();
        };
        waiting.add(ring);
        signal.addEventListener('abort', ring);
        if (signal.aborted || kept.length > 0) ring();
      }),
    [Symbol.dispose]() {
      if (!live) return;
      input.off('keypress', onKey).off('end', quit).setRawMode(false);
      input.pause();
    },
  };
}
