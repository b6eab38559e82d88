import { expect, test } from 'vitest';
import { createHealth } from '../../src/ops/health.ts';

test('what was told last counts', () => {
  let clock = new Date('2026-05-01T10:00:00Z');
  const health = createHealth(() => clock);
  expect(health.state()).toMatchObject({ uptimeSeconds: 0, replica: null, listener: { heard: false } });
  health.observe({ fact: 'started', replica: 'a-replica', rooms: 3 });
  health.observe({ fact: 'listening', heard: false, reason: 'silence' });
  clock = new Date('2026-05-01T10:01:30Z');
  health.observe({ fact: 'listening', heard: true, reason: '' });
  expect(health.state()).toMatchObject({
    replica: 'a-replica',
    uptimeSeconds: 90,
    listener: { heard: true, reason: null, since: clock },
  });
});

test('an outage of one side lasts until it is over and leaves the other side alone', () => {
  const health = createHealth();
  health.observe({ fact: 'outage', side: 'outlook', error: 'no route', hint: 'Look at the proxy.' });
  expect(health.state().outages).toMatchObject({
    outlook: { error: 'no route', hint: 'Look at the proxy.' },
    booking: null,
  });
  health.observe({ fact: 'outage-over', side: 'outlook', ms: 5_000 });
  expect(health.state().outages).toEqual({ outlook: null, booking: null });
});

test('bugs and missed captures are counted', () => {
  const health = createHealth();
  health.observe({ fact: 'capture-missed', times: 2 });
  health.observe({ fact: 'capture-missed', times: 1 });
  health.observe({ fact: 'bug', error: new Error('oops'), where: 'here' });
  expect(health.state()).toMatchObject({ missedCaptures: 3, bugs: 1 });
});
