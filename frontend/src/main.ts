import { mount } from 'svelte';
import './tokens/fonts.css';
import './tokens/tokens.css';
import './tokens/base.css';
import App from './shell/App.svelte';
import { wear } from './shell/look.svelte';
import { backendHere, wire } from './shell/wiring';
import { inWindow } from './api/wails';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');

// On a Mac the window's own buttons stand in the top bar.
if (inWindow() && navigator.platform.startsWith('Mac')) document.documentElement.dataset['window'] = 'mac';

const wired = await wire(backendHere());
wear(wired.shell.memory);
wired.shell.begin(location.hash);
mount(App, { target, props: { wired } });
