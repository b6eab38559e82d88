/**
 * Latency of changes over the day and as a histogram, for both directions, with captions as text.
 * @import { Curve, Direction, Latency, Stats } from './shapes.ts'
 */
import { dayWords, emptyWords, spreadWords } from './chart-words.js';
import { byId, fill, h, setText } from './dom.js';
import { hourOfDay } from './format.js';
import { say } from './language.js';
import { dayPlot, height, histogramPlot } from './plots.js';

/** @type {readonly Direction[]} */
const both = ['booking_to_outlook', 'outlook_to_booking'];
/** Space beside a chart in its place, in pixels. */
const padding = 16;

export function createCharts() {
  const dayPlace = byId('day', HTMLDivElement);
  const histogramPlace = byId('histogram', HTMLDivElement);
  const dayTitle = byId('day-title', HTMLHeadingElement);
  const dayCaption = byId('day-caption', HTMLParagraphElement);
  const histogramCaption = byId('histogram-caption', HTMLParagraphElement);
  /** @type {ReturnType<typeof dayPlot>[]} */
  let plots = [];
  /** @type {Latency | null} */
  let latency = null;
  let shown = '';

  function draw() {
    for (const plot of plots) plot.destroy();
    plots = [];
    fill(dayPlace);
    fill(histogramPlace);
    if (latency === null) return;
    const caption = dayWords(latency);
    setText(dayCaption, caption);
    setText(histogramCaption, spreadWords(latency));
    if (isEmpty(latency)) {
      const text = emptyWords(latency);
      for (const place of [dayPlace, histogramPlace]) fill(place, h('p', { class: 'empty' }, text));
      return;
    }
    plots = [
      dayPlot(dayPlace, latency, (step) => setText(dayCaption, step ?? caption)),
      histogramPlot(histogramPlace, latency),
    ];
  }

  function resize() {
    for (const plot of plots) {
      const width = (plot.root.parentElement?.clientWidth ?? 0) - padding;
      if (width > 0 && Math.abs(width - plot.width) > 1) plot.setSize({ width, height });
    }
  }
  const resized = new ResizeObserver(resize);
  resized.observe(dayPlace);
  resized.observe(histogramPlace);

  return {
    /**
     * Shows the day. While all changes are from the last hour, which would be a single step of the day, it shows that hour,
     * from the start of the daemon on.
     * @param {Latency | null} day
     * @param {Latency | null} hour
     * @param {Stats | null} stats
     */
    show(day, hour, stats) {
      const startedAt = stats === null ? null : Date.parse(stats.started_at);
      const young = day !== null && hour !== null && isYoung(day);
      const now = young ? fromStart(hour, startedAt) : day;
      const text = JSON.stringify(now);
      if (text === shown) return;
      shown = text;
      latency = now;
      const from = young && now !== null ? firstTime(now, startedAt) : undefined;
      setText(dayTitle, from === undefined ? say('day.title') : say('day.since', { time: hourOfDay(from) }));
      draw();
    },
    /** Draws again with the colours of the current theme. */
    recolour: draw,
  };
}

/** @param {Latency} latency */
const isEmpty = ({ directions }) => both.every((direction) => directions[direction].count === 0);

/** There are changes, and all are from the last hour. @param {Latency} day */
function isYoung({ step_seconds: step, directions }) {
  const before = -Math.ceil(3_600 / step);
  const counts = both.map((direction) => directions[direction].curve.map(({ count }) => count));
  const sum = (/** @type {number[]} */ of) => of.reduce((total, count) => total + count, 0);
  return sum(counts.flat()) > 0 && sum(counts.flatMap((of) => of.slice(0, before))) === 0;
}

/**
 * The steps from the start of the daemon on, or from the first change if that is earlier.
 * @param {Latency} hour
 * @param {number | null} startedAt
 * @returns {Latency}
 */
function fromStart(hour, startedAt) {
  const { booking_to_outlook: out, outlook_to_booking: back } = hour.directions;
  const first = out.curve.findIndex(({ count }, at) => count > 0 || (back.curve[at]?.count ?? 0) > 0);
  const started = out.curve.findLastIndex(({ at }) => startedAt === null || Date.parse(at) <= startedAt);
  const from = Math.max(0, Math.min(first, started));
  const cut = (/** @type {Curve} */ of) => ({ ...of, curve: of.curve.slice(from) });
  return { ...hour, directions: { booking_to_outlook: cut(out), outlook_to_booking: cut(back) } };
}

/**
 * The time at which the shown steps begin: the start of the daemon, if that is within the first step.
 * @param {Latency} shown
 * @param {number | null} startedAt
 */
function firstTime({ directions }, startedAt) {
  const [first, next] = directions.booking_to_outlook.curve;
  if (startedAt === null || first === undefined) return first?.at;
  const isWithinFirst =
    startedAt > Date.parse(first.at) && (next === undefined || startedAt < Date.parse(next.at));
  return isWithinFirst ? startedAt : first.at;
}
