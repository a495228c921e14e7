import { describe, expect } from 'vitest';
import { ask, serve } from './http';
import { go, inBrowser, journey, until } from './journey';
import { listening } from './program';

inBrowser();

describe('a first start', () => {
  journey('begins on the Start page, and says that nothing came by yet', async ({ page }) => {
    await page.getByRole('heading', { name: 'Let’s see a first request' }).waitFor();
    await page.getByText('Nothing captured yet.').waitFor();
    expect(await page.title()).toBe('Start – Proxycache');
  });

  journey('ends, by the tour, in requests that arrive', async ({ page }) => {
    await page.getByRole('button', { name: 'Start the tour' }).click();
    await page.getByRole('progressbar', { name: 'Tour' }).waitFor();
    const card = page.getByRole('region', { name: 'Just look around' });
    await card.getByText(/[1-9]\d* requests?, 0 lost/).waitFor();
    await page.getByRole('heading', { name: 'Let’s see another request' }).waitFor();
    await card.getByRole('button', { name: 'Watch in Traffic' }).click();
    await page.getByRole('main', { name: 'Traffic' }).waitFor();
    await page.getByRole('grid', { name: 'Traffic' }).getByRole('row').nth(1).waitFor();
    await go(page, 'Start');
    await card.getByRole('button', { name: 'Stop' }).click();
    await card.getByRole('button', { name: 'Start again' }).waitFor();
  });

  journey('puts a server that listens here behind the proxy, and shows its first request', async ({ page, program }) => {
    const origin = await serve();
    try {
      await page.getByRole('button', { name: `on port ${origin.port}` }).click();
      const card = page.getByRole('region', { name: 'Put it in front of my server' });
      const row = card.getByRole('listitem').filter({ hasText: `:${origin.port}` });
      await row.getByText('Waiting for a request').waitFor();
      const address = await row.getByText(/^http:\/\/.+\.localhost:\d+$/).textContent() ?? '';
      expect(new URL(address).port).toBe(new URL(program.proxy).port);

      const answer = await ask(`${program.proxy}/hello`, { headers: { Host: new URL(address).host } });
      expect(JSON.parse(answer.body)).toEqual({ path: '/hello', by: 'origin' });
      await row.getByRole('button', { name: '1 request' }).click();
      await page.getByRole('main', { name: 'Traffic' }).waitFor();
      await page.getByText('/hello').first().waitFor();
      expect(await program.config()).toContain(`http://localhost:${origin.port}`);

      await go(page, 'Start');
      await row.getByRole('button', { name: /^Remove the route/ }).click();
      await row.getByRole('button', { name: 'Put in front' }).waitFor();
      await page.getByRole('status').getByRole('button', { name: 'Undo' }).last().click();
      await row.getByText(address).waitFor();
    } finally {
      await origin.close();
    }
  }, { config: listening() });

  journey('says what is wrong with an address, at the field', async ({ page }) => {
    await page.getByRole('button', { name: 'Another address' }).click();
    const field = page.getByRole('textbox', { name: 'Port, address or URL of the server' });
    expect(await field.evaluate((one) => one === document.activeElement)).toBe(true);
    await field.fill('70000');
    await field.press('Enter');
    await page.getByText('Ports go from 1 to 65535').waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
  }, { expected: /400 \(Bad Request\)/ });

  journey('shows the first request of a program that uses the proxy', async ({ page, program }) => {
    const origin = await serve();
    try {
      const answer = await ask(`http://127.0.0.1:${origin.port}/from-a-program`, { through: program.proxy });
      expect(answer.status).toBe(200);
      expect(origin.asked).toContain('/from-a-program');
      const card = page.getByRole('region', { name: 'Capture a program' });
      await card.getByRole('button', { name: /1 request arrived, last GET/ }).click();
      await page.getByRole('main', { name: 'Traffic' }).waitFor();
      await page.getByRole('region', { name: 'Exchange 1' }).waitFor();
    } finally {
      await origin.close();
    }
  });

  journey('gives a line for a terminal', async ({ page, program }) => {
    await page.getByRole('button', { name: /^Terminal/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Capture a terminal' });
    await dialog.getByText(`http_proxy=`).first().waitFor();
    await dialog.getByRole('button', { name: /^Copy/ }).first().click();
    await until('the line is on the clipboard', async () => (await page.evaluate(() => navigator.clipboard.readText())).includes(program.proxy));
  });
});

describe('what is wrong from the start', () => {
  journey('a broken configuration file is told with its line, and the window works', async ({ page, program }) => {
    const banner = page.getByRole('alert').filter({ hasText: '1 problem in the configuration file' });
    await banner.getByText('Line').waitFor();
    await banner.getByRole('button', { name: 'Show' }).click();
    const dialog = page.getByRole('dialog', { name: 'Notices' });
    await dialog.getByText(program.configFile).waitFor();
    await dialog.getByText('shpo').first().waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('heading', { name: /^Let’s see/ }).waitFor();
  }, {
    config: listening('[[routes]]\nname = "shop"\nto = "shpo"\n'),
    env: { PROXYCACHE_LISTEN_0_ADDRESS: '127.0.0.1:0' }, // the built-in configuration wants a port that may be taken here
  });
});
