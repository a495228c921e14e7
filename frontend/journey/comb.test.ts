import { describe, expect } from 'vitest';
import { ask, openStream, serve } from './http';
import { go, inBrowser, journey, until } from './journey';
import { demoRoute, listening } from './program';

inBrowser();

describe('the comb', () => {
  journey('a cell is switched off and on, and Apply makes it so', async ({ page, program }) => {
    const served = async () => (await ask(`${program.proxy}/v1/items`)).headers['x-served-by'];
    expect(await served()).toBe('Proxycache');
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    const panel = page.getByRole('complementary', { name: 'Headers' });
    await panel.getByRole('switch', { name: 'On' }).click();
    expect(await served()).toBe('Proxycache'); // a draft changes nothing
    await page.getByRole('button', { name: 'Apply 1 change' }).click();
    await until('the cell is off', async () => (await served()) === undefined);
    expect(await program.config()).toContain('off = true');
    expect(await program.config()).toContain('# A comment that a person wrote.');

    await panel.getByRole('switch', { name: 'On' }).click();
    await page.keyboard.press('Control+s');
    await until('the cell is on', async () => (await served()) === 'Proxycache');
  });

  journey('a setting is edited in its form, checked while it is typed, and shown as TOML before it is applied', async ({ page, program }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    const value = page.getByRole('textbox', { name: /value 1$/ });
    await value.fill('me');
    await page.getByRole('button', { name: 'Diff' }).click();
    const dialog = page.getByRole('dialog', { name: 'What Apply writes' });
    await dialog.getByText(/^\+.*me/).waitFor();
    await dialog.getByRole('button', { name: /^Apply/ }).click();
    await until('it is in force', async () => (await ask(`${program.proxy}/v1/items`)).headers['x-served-by'] === 'me');
  });

  journey('a condition that cannot be read is told at its field and cannot be applied', async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    const when = page.getByRole('textbox', { name: 'When' });
    await when.fill('method =');
    await until('the field is marked', async () => (await when.getAttribute('aria-invalid')) === 'true');
    await until('it cannot be applied', () => page.getByRole('button', { name: /^Apply/ }).isDisabled());
    await page.getByRole('treeitem', { name: /^Headers,.*error/ }).waitFor();
    await when.fill('method = GET');
    await until('it can be applied', () => page.getByRole('button', { name: /^Apply/ }).isEnabled());
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.getByText('In force, no changes').waitFor();
  });

  journey('an event stream that is open stays open through an Apply', async ({ page, program }) => {
    const origin = await serve();
    try {
      await go(page, 'Comb');
      await program.stop();
      const { writeFile } = await import('node:fs/promises');
      await writeFile(program.configFile, listening(demoRoute.replace('demo:', `http://127.0.0.1:${origin.port}`)));
      await program.run();
      await page.goto(program.url);
      await go(page, 'Comb');
      const stream = await openStream(`${program.proxy}/events`);
      await until('events arrive', () => stream.text.includes('data: 3'));
      await page.getByRole('treeitem', { name: /^Headers,/ }).focus();
      await page.keyboard.press('Space');
      await page.getByRole('button', { name: 'Apply 1 change' }).click();
      await page.getByText('Applied 1 change').waitFor();
      const before = stream.text.length;
      await until('events go on', () => stream.text.length > before + 40);
      expect(stream.ended).toBe(false);
      stream.close();
    } finally {
      await origin.close();
    }
  }, { expected: /ERR_/ });

  journey('is walked, switched, moved, undone and filled by the keyboard', async ({ page }) => {
    await go(page, 'Comb');
    const names = () => page.getByRole('treeitem').evaluateAll((items) => items.map((item) => (item.getAttribute('aria-label') ?? '').split(',')[0]));
    const before = await names();
    expect(before).toEqual(['Clients', before[1], 'Request ID', 'Headers', 'demo', 'Demo API']);
    await page.getByRole('treeitem').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toMatch(/^Request ID, 3 of \d/);
    await page.keyboard.press('Alt+ArrowRight');
    await until('it moved', async () => (await names()).join() === ['Clients', before[1], 'Headers', 'Request ID', 'demo', 'Demo API'].join());
    await page.keyboard.press('Control+z');
    await until('it is back', async () => (await names()).join() === before.join());
    await page.getByRole('treeitem', { name: /^Headers,/ }).focus();
    await page.keyboard.type('+');
    await page.getByText('Choose a module to put behind headers').waitFor();
    await page.keyboard.press('Enter'); // the modules have the focus
    await until('a cell was inserted', async () => (await names()).length === before.length + 1);
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.keyboard.press('Control+z'); // what was discarded comes back
    await page.getByRole('button', { name: 'Apply 1 change' }).waitFor();
  });

  journey('tells which route would take a request, and why the others would not', async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('textbox', { name: 'Which route takes it?' }).fill('GET /v1/items');
    await page.getByText('demo, at 1.').waitFor();
  });

  journey('shows the way of an exchange', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`);
    await go(page, 'Traffic');
    await page.getByRole('row').filter({ hasText: '/v1/items' }).click();
    await page.keyboard.press('x');
    await page.getByRole('main', { name: 'Comb' }).waitFor();
    const trail = page.getByRole('complementary', { name: /^X-ray of GET/ });
    await trail.getByText('Request ID').waitFor();
    await trail.getByText(/answered, through 2 cells/).waitFor();
    await page.getByText('Answered here, 200').waitFor();
    await page.keyboard.press('Escape');
    await trail.waitFor({ state: 'hidden' });
  });
});
