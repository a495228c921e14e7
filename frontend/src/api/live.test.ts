import { describe, expect, it, vi } from 'vitest';
import type { News } from './backend';
import { FakeBackend } from './fake';
import { Live } from './live.svelte';
import { Memory } from './memory.svelte';

describe('what the backend tells by itself', () => {
  async function begin() {
    const backend = new FakeBackend({ rows: 3 });
    const live = new Live(backend);
    const heard: News[] = [];
    live.onNews((news) => heard.push(news));
    await vi.waitUntil(() => live.status !== null);
    return { backend, live, heard };
  }

  it('is asked for once, and heard from then on', async () => {
    const { backend, live, heard } = await begin();
    expect([live.status?.exchanges, live.figures?.clients]).toEqual([3, 7]);
    backend.arrive();
    expect([live.status?.exchanges, heard.length]).toEqual([4, 1]);
  });

  it('counts with every piece of news, though the status comes once a second', async () => {
    const { backend, live } = await begin();
    backend.emit({ total: 12 });
    expect(live.status).toMatchObject({ exchanges: 12, rate: 3 });
  });

  it('is stale after a lost connection: everyone hears of it, and the status is asked for anew', async () => {
    const { backend, live, heard } = await begin();
    backend.connect(false);
    expect([live.connected, heard]).toEqual([false, []]);
    backend.theStatus = { ...backend.theStatus, exchanges: 9 };
    backend.connect(true);
    expect([live.connected, heard.map((news) => news.reset)]).toEqual([true, [true]]);
    await vi.waitUntil(() => live.status?.exchanges === 9);
  });

  it('is heard no more after close', async () => {
    const { backend, live, heard } = await begin();
    live.close();
    backend.arrive();
    expect([heard, live.status?.exchanges]).toEqual([[], 3]);
  });
});

describe('what the window remembers', () => {
  it('is read once, and written a moment after the last change', async () => {
    vi.useFakeTimers();
    try {
      const backend = new FakeBackend();
      backend.thePreferences = { theme: 'light', rowHeight: 'comfortable', pages: { traffic: '{"a":1}' } };
      const memory = new Memory(backend);
      await memory.load();
      expect([memory.theme, memory.rowHeight, memory.get('traffic'), memory.get('comb')]).toEqual(['light', 'comfortable', '{"a":1}', '']);
      memory.setTheme('system');
      memory.set('comb', 'demo');
      memory.set('comb', 'shop');
      await vi.advanceTimersByTimeAsync(1_000);
      expect(backend.thePreferences).toEqual({ theme: 'system', rowHeight: 'comfortable', pages: { traffic: '{"a":1}', comb: 'shop' } });
      expect(backend.calls.filter((call) => call.name === 'setPreferences')).toHaveLength(1);
      memory.set('comb', 'shop'); // nothing new
      await vi.advanceTimersByTimeAsync(1_000);
      expect(backend.calls.filter((call) => call.name === 'setPreferences')).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('begins as usual when nothing can be read', async () => {
    const backend = new FakeBackend();
    backend.fail('preferences', 'Reading the preferences: gone.');
    const memory = new Memory(backend);
    await memory.load();
    expect([memory.theme, memory.rowHeight, memory.loaded]).toEqual(['dark', 'compact', true]);
  });
});
