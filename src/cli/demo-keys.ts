/** The keyboard of a demo in a terminal; without a terminal there are no keys. */
import type { ReadStream } from 'node:tty';
import { emitKeypressEvents } from 'node:readline';

export interface Keys extends Disposable {
  /** Whether there is a keyboard. */
  readonly live: boolean;
  /** The oldest pressed key that was not taken yet; null: none. */
  take(): string | null;
  /** Discards the pressed keys. */
  clear(): void;
  /** Resolves when there is a key to take, or when `signal` aborts. */
  pressed(signal: AbortSignal): Promise<void>;
}

interface Keypress {
  readonly name?: string;
  readonly ctrl?: boolean;
  readonly sequence?: string;
}

/** Bound for a key that is held down. */
const mostKept = 8;

/** `quit` is called at Ctrl-C or q: in raw mode the terminal sends no signal for Ctrl-C. */
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
