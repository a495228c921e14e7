import { writeFile } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { ask } from './http';
import { go, inBrowser, journey, until } from './journey';

inBrowser();

describe('from everywhere', () => {
  journey('every page is reached by the keyboard alone', async ({ page }) => {
    for (const [keys, name] of [['Control+2', 'Traffic'], ['Control+3', 'Comb'], ['Control+,', 'Settings'], ['Control+1', 'Start']] as const) {
      await page.keyboard.press(keys);
      await page.getByRole('main', { name }).waitFor();
      expect(await page.title()).toBe(`${name} – Proxycache`);
    }
    // Tab walks through the whole window and never gets stuck.
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      seen.add(await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim().slice(0, 40) ?? ''));
    }
    for (const name of ['Search or run a command', 'Traffic', 'Comb', 'Start the tour', 'Keyboard shortcuts']) {
      expect([...seen].filter((label) => label.startsWith(name)), name).not.toEqual([]);
    }
  });

  journey('the palette finds a command, a route and a setting', async ({ page }) => {
    const palette = page.getByRole('dialog', { name: 'Commands' });
    await page.keyboard.press('Control+k');
    await palette.getByRole('combobox').fill('comb');
    await page.keyboard.press('Enter');
    await page.getByRole('main', { name: 'Comb' }).waitFor();
    await palette.waitFor({ state: 'hidden' }); // while it goes, the keys are its own

    await page.keyboard.press('Control+k');
    await palette.getByRole('option', { name: /Go to route demo/ }).click();
    await page.getByRole('tree', { name: 'Pipeline of demo' }).waitFor();

    await page.keyboard.press('Control+k');
    await palette.getByRole('combobox').fill('light theme');
    await page.keyboard.press('Enter');
    await page.locator('html[data-theme=light]').waitFor();

    await page.keyboard.press('Control+k');
    await palette.getByRole('combobox').fill('xyzzy');
    await palette.getByText('Nothing is called “xyzzy”.').waitFor();
    await page.keyboard.press('Escape');
    await palette.waitFor({ state: 'hidden' });
  });

  journey('the palette opens an exchange by its number', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`);
    await page.getByText('/v1/items').first().waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('#1');
    await page.keyboard.press('Enter');
    await page.getByRole('main', { name: 'Traffic' }).waitFor();
    await page.getByText('/v1/items').nth(1).waitFor(); // in the list, and as what is looked at
  });

  journey('? shows the shortcuts, and Escape puts them away', async ({ page }) => {
    await page.keyboard.press('?');
    const sheet = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await sheet.getByText('Replay the exchange').waitFor();
    await page.keyboard.press('Escape');
    await sheet.waitFor({ state: 'hidden' });
  });

  journey('recording is paused and goes on', async ({ page, program }) => {
    await page.getByRole('button', { name: 'Recording' }).click();
    await page.getByText('not recording').waitFor();
    expect((await ask(`${program.proxy}/v1/items`)).status).toBe(200);
    await page.keyboard.press('Control+.');
    await page.getByRole('button', { name: 'Recording' }).waitFor();
    await ask(`${program.proxy}/v1/items/1`);
    await page.getByText('/v1/items/1').first().waitFor();
    await page.getByRole('contentinfo', { name: 'Status' }).getByText(/^1 exchanges?$/).waitFor(); // the one that was paused for is not among them
  });

  journey('a program that ended is told, and found again', async ({ page, program }) => {
    await program.stop();
    await page.getByText('Proxycache does not answer.').waitFor();
    await program.run();
    await page.getByText('Proxycache does not answer.').waitFor({ state: 'hidden', timeout: 20_000 });
    await ask(`${program.proxy}/v1/items`);
    await page.getByText('/v1/items').first().waitFor();
  }, { expected: /ERR_|Failed to load resource/ });

  journey('a file that is edited badly keeps the one before in force, until it is mended', async ({ page, program }) => {
    const before = await program.config();
    await writeFile(program.configFile, before.replace('use = "requestid"', 'use = "requestit"'));
    const banner = page.getByRole('alert').filter({ hasText: 'problem in the configuration file' });
    await banner.waitFor();
    expect((await ask(`${program.proxy}/v1/items`)).headers['x-served-by']).toBe('Proxycache');
    await writeFile(program.configFile, before.replace('"Proxycache"', '"me"'));
    await banner.waitFor({ state: 'hidden' });
    await until('the new one is in force', async () => (await ask(`${program.proxy}/v1/items`)).headers['x-served-by'] === 'me');
  });

  journey('pages keep where they were when they are left', async ({ page }) => {
    await go(page, 'Settings');
    await page.getByRole('link', { name: 'Storage' }).click();
    await until('Storage is in sight', () => page.getByRole('heading', { name: 'Storage' }).isVisible());
    const scrolled = () => page.getByRole('region', { name: 'All settings' }).evaluate((element) => element.scrollTop);
    const before = await scrolled();
    expect(before).toBeGreaterThan(0);
    await go(page, 'Start');
    await go(page, 'Settings');
    await until('the page is where it was', async () => (await scrolled()) === before);
  });
});
