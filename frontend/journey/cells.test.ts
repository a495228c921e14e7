import { describe, expect } from 'vitest';
import { ask } from './http';
import { go, inBrowser, journey, until } from './journey';
import { listening } from './program';

inBrowser();

const cached = `[upstreams.demo]
targets = [{ url = "demo:" }]

[[routes]]
name = "all"
to = "demo"

  [[routes.cells]]
  use = "ratelimit"
  limit = 3
  window = "1d"

  [[routes.cells]]
  use = "cache"
  default_ttl = "10m"
`;

describe('cells while they run', () => {
  journey('a cache tells how it stands, is purged, and a limit is lifted', async ({ page, program }) => {
    for (const want of [/fwd=uri-miss/, /; hit/]) expect((await ask(`${program.proxy}/v1/items`)).headers['cache-status']).toMatch(want);
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Cache,/ }).click();
    const panel = page.getByRole('complementary', { name: 'Cache' });
    await panel.getByText(/^50 % hits, 1 response/).first().waitFor();

    await panel.getByRole('button', { name: /^Purge/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Purge' });
    await dialog.getByRole('textbox', { name: /^Pattern/ }).fill('(');
    await dialog.getByRole('button', { name: 'Purge' }).click();
    await until('the field is marked', async () => (await dialog.getByRole('textbox', { name: /^Pattern/ }).getAttribute('aria-invalid')) === 'true');
    await dialog.getByRole('textbox', { name: /^Pattern/ }).fill('/v1/');
    await dialog.getByRole('button', { name: 'Purge' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect((await ask(`${program.proxy}/v1/items`)).headers['cache-status']).toMatch(/fwd=/);

    expect((await ask(`${program.proxy}/v1/items`)).status).toBe(429);
    await page.getByRole('treeitem', { name: /^Rate limit,/ }).click();
    const limit = page.getByRole('complementary', { name: 'Rate limit' });
    await limit.getByRole('button', { name: /^Reset/ }).click();
    const reset = page.getByRole('dialog', { name: /^Reset/ });
    await reset.getByRole('button', { name: /^Reset/ }).click();
    await reset.waitFor({ state: 'hidden' });
    expect((await ask(`${program.proxy}/v1/items`)).status).toBe(200);
    await page.getByRole('contentinfo', { name: 'Status' }).getByText('p99').waitFor();
  }, { config: listening(cached), expected: /status of 4\d\d/ });
});
