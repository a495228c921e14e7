// The icons of the interface, by their Lucide names: each is imported alone, so that only these are
// bundled.
import type { Component } from 'svelte';
import Activity from '@lucide/svelte/icons/activity';
import AppWindow from '@lucide/svelte/icons/app-window';
import ArrowDown from '@lucide/svelte/icons/arrow-down';
import ArrowLeftRight from '@lucide/svelte/icons/arrow-left-right';
import ArrowRight from '@lucide/svelte/icons/arrow-right';
import ArrowUp from '@lucide/svelte/icons/arrow-up';
import Ban from '@lucide/svelte/icons/ban';
import Bolt from '@lucide/svelte/icons/bolt';
import Box from '@lucide/svelte/icons/box';
import Braces from '@lucide/svelte/icons/braces';
import Bug from '@lucide/svelte/icons/bug';
import Cable from '@lucide/svelte/icons/cable';
import Check from '@lucide/svelte/icons/check';
import ChevronDown from '@lucide/svelte/icons/chevron-down';
import ChevronLeft from '@lucide/svelte/icons/chevron-left';
import ChevronRight from '@lucide/svelte/icons/chevron-right';
import ChevronUp from '@lucide/svelte/icons/chevron-up';
import Circle from '@lucide/svelte/icons/circle';
import CircleAlert from '@lucide/svelte/icons/circle-alert';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleDot from '@lucide/svelte/icons/circle-dot';
import CircleHelp from '@lucide/svelte/icons/circle-help';
import CirclePause from '@lucide/svelte/icons/circle-pause';
import CirclePlay from '@lucide/svelte/icons/circle-play';
import CircleStop from '@lucide/svelte/icons/circle-stop';
import CircleX from '@lucide/svelte/icons/circle-x';
import Clipboard from '@lucide/svelte/icons/clipboard';
import Clock from '@lucide/svelte/icons/clock';
import Code from '@lucide/svelte/icons/code';
import Columns3 from '@lucide/svelte/icons/columns-3';
import Compass from '@lucide/svelte/icons/compass';
import Contrast from '@lucide/svelte/icons/contrast';
import Copy from '@lucide/svelte/icons/copy';
import Database from '@lucide/svelte/icons/database';
import Diff from '@lucide/svelte/icons/diff';
import Download from '@lucide/svelte/icons/download';
import Ellipsis from '@lucide/svelte/icons/ellipsis';
import Eraser from '@lucide/svelte/icons/eraser';
import ExternalLink from '@lucide/svelte/icons/external-link';
import Eye from '@lucide/svelte/icons/eye';
import File from '@lucide/svelte/icons/file';
import FileArchive from '@lucide/svelte/icons/file-archive';
import FileCode from '@lucide/svelte/icons/file-code';
import FileText from '@lucide/svelte/icons/file-text';
import FileUp from '@lucide/svelte/icons/file-up';
import Filter from '@lucide/svelte/icons/filter';
import Fingerprint from '@lucide/svelte/icons/fingerprint';
import Flame from '@lucide/svelte/icons/flame';
import Folder from '@lucide/svelte/icons/folder';
import Gauge from '@lucide/svelte/icons/gauge';
import GitCompare from '@lucide/svelte/icons/git-compare';
import Globe from '@lucide/svelte/icons/globe';
import GripVertical from '@lucide/svelte/icons/grip-vertical';
import Hash from '@lucide/svelte/icons/hash';
import Heading from '@lucide/svelte/icons/heading';
import Hexagon from '@lucide/svelte/icons/hexagon';
import Hourglass from '@lucide/svelte/icons/hourglass';
import House from '@lucide/svelte/icons/house';
import Image from '@lucide/svelte/icons/image';
import Info from '@lucide/svelte/icons/info';
import KeyRound from '@lucide/svelte/icons/key-round';
import Keyboard from '@lucide/svelte/icons/keyboard';
import Laptop from '@lucide/svelte/icons/laptop';
import Layers from '@lucide/svelte/icons/layers';
import Link from '@lucide/svelte/icons/link';
import List from '@lucide/svelte/icons/list';
import ListFilter from '@lucide/svelte/icons/list-filter';
import ListTree from '@lucide/svelte/icons/list-tree';
import LoaderCircle from '@lucide/svelte/icons/loader-circle';
import Lock from '@lucide/svelte/icons/lock';
import LockOpen from '@lucide/svelte/icons/lock-open';
import Maximize from '@lucide/svelte/icons/maximize';
import MessageSquare from '@lucide/svelte/icons/message-square';
import Minus from '@lucide/svelte/icons/minus';
import Monitor from '@lucide/svelte/icons/monitor';
import Moon from '@lucide/svelte/icons/moon';
import Network from '@lucide/svelte/icons/network';
import OctagonX from '@lucide/svelte/icons/octagon-x';
import Palette from '@lucide/svelte/icons/palette';
import Pause from '@lucide/svelte/icons/pause';
import Pencil from '@lucide/svelte/icons/pencil';
import Pin from '@lucide/svelte/icons/pin';
import Play from '@lucide/svelte/icons/play';
import Plug from '@lucide/svelte/icons/plug';
import Plus from '@lucide/svelte/icons/plus';
import Power from '@lucide/svelte/icons/power';
import Redo2 from '@lucide/svelte/icons/redo-2';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import Repeat from '@lucide/svelte/icons/repeat';
import RotateCcw from '@lucide/svelte/icons/rotate-ccw';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Route from '@lucide/svelte/icons/route';
import Save from '@lucide/svelte/icons/save';
import ScanSearch from '@lucide/svelte/icons/scan-search';
import Search from '@lucide/svelte/icons/search';
import Send from '@lucide/svelte/icons/send';
import Server from '@lucide/svelte/icons/server';
import ServerOff from '@lucide/svelte/icons/server-off';
import Settings from '@lucide/svelte/icons/settings';
import Share2 from '@lucide/svelte/icons/share-2';
import Shield from '@lucide/svelte/icons/shield';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import Shrink from '@lucide/svelte/icons/shrink';
import SlidersHorizontal from '@lucide/svelte/icons/sliders-horizontal';
import Sparkles from '@lucide/svelte/icons/sparkles';
import Split from '@lucide/svelte/icons/split';
import Square from '@lucide/svelte/icons/square';
import SquareSplitHorizontal from '@lucide/svelte/icons/square-split-horizontal';
import SquareTerminal from '@lucide/svelte/icons/square-terminal';
import Star from '@lucide/svelte/icons/star';
import Sun from '@lucide/svelte/icons/sun';
import Table2 from '@lucide/svelte/icons/table-2';
import Tag from '@lucide/svelte/icons/tag';
import Tags from '@lucide/svelte/icons/tags';
import Terminal from '@lucide/svelte/icons/terminal';
import Timer from '@lucide/svelte/icons/timer';
import Trash2 from '@lucide/svelte/icons/trash-2';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Undo2 from '@lucide/svelte/icons/undo-2';
import Unplug from '@lucide/svelte/icons/unplug';
import Upload from '@lucide/svelte/icons/upload';
import WandSparkles from '@lucide/svelte/icons/wand-sparkles';
import Waypoints from '@lucide/svelte/icons/waypoints';
import WifiOff from '@lucide/svelte/icons/wifi-off';
import Workflow from '@lucide/svelte/icons/workflow';
import Wrench from '@lucide/svelte/icons/wrench';
import X from '@lucide/svelte/icons/x';
import Zap from '@lucide/svelte/icons/zap';
import ZapOff from '@lucide/svelte/icons/zap-off';
import ZoomIn from '@lucide/svelte/icons/zoom-in';
import ZoomOut from '@lucide/svelte/icons/zoom-out';

type Props = { size?: number; strokeWidth?: number; absoluteStrokeWidth?: boolean; 'aria-hidden'?: 'true' };

export const icons: Record<string, Component<Props>> = {
  activity: Activity,
  'app-window': AppWindow,
  'arrow-down': ArrowDown,
  'arrow-left-right': ArrowLeftRight,
  'arrow-right': ArrowRight,
  'arrow-up': ArrowUp,
  ban: Ban,
  bolt: Bolt,
  box: Box,
  braces: Braces,
  bug: Bug,
  cable: Cable,
  check: Check,
  'chevron-down': ChevronDown,
  'chevron-left': ChevronLeft,
  'chevron-right': ChevronRight,
  'chevron-up': ChevronUp,
  circle: Circle,
  'circle-alert': CircleAlert,
  'circle-check': CircleCheck,
  'circle-dot': CircleDot,
  'circle-help': CircleHelp,
  'circle-pause': CirclePause,
  'circle-play': CirclePlay,
  'circle-stop': CircleStop,
  'circle-x': CircleX,
  clipboard: Clipboard,
  clock: Clock,
  code: Code,
  'columns-3': Columns3,
  compass: Compass,
  contrast: Contrast,
  copy: Copy,
  database: Database,
  diff: Diff,
  download: Download,
  ellipsis: Ellipsis,
  eraser: Eraser,
  'external-link': ExternalLink,
  eye: Eye,
  file: File,
  'file-archive': FileArchive,
  'file-code': FileCode,
  'file-text': FileText,
  'file-up': FileUp,
  filter: Filter,
  fingerprint: Fingerprint,
  flame: Flame,
  folder: Folder,
  gauge: Gauge,
  'git-compare': GitCompare,
  globe: Globe,
  'grip-vertical': GripVertical,
  hash: Hash,
  heading: Heading,
  hexagon: Hexagon,
  hourglass: Hourglass,
  house: House,
  image: Image,
  info: Info,
  'key-round': KeyRound,
  keyboard: Keyboard,
  laptop: Laptop,
  layers: Layers,
  link: Link,
  list: List,
  'list-filter': ListFilter,
  'list-tree': ListTree,
  'loader-circle': LoaderCircle,
  lock: Lock,
  'lock-open': LockOpen,
  maximize: Maximize,
  'message-square': MessageSquare,
  minus: Minus,
  monitor: Monitor,
  moon: Moon,
  network: Network,
  'octagon-x': OctagonX,
  palette: Palette,
  pause: Pause,
  pencil: Pencil,
  pin: Pin,
  play: Play,
  plug: Plug,
  plus: Plus,
  power: Power,
  'redo-2': Redo2,
  'refresh-cw': RefreshCw,
  repeat: Repeat,
  'rotate-ccw': RotateCcw,
  'rotate-cw': RotateCw,
  route: Route,
  save: Save,
  'scan-search': ScanSearch,
  search: Search,
  send: Send,
  server: Server,
  'server-off': ServerOff,
  settings: Settings,
  'share-2': Share2,
  shield: Shield,
  'shield-check': ShieldCheck,
  shrink: Shrink,
  'sliders-horizontal': SlidersHorizontal,
  sparkles: Sparkles,
  split: Split,
  square: Square,
  'square-split-horizontal': SquareSplitHorizontal,
  'square-terminal': SquareTerminal,
  star: Star,
  sun: Sun,
  'table-2': Table2,
  tag: Tag,
  tags: Tags,
  terminal: Terminal,
  timer: Timer,
  'trash-2': Trash2,
  'triangle-alert': TriangleAlert,
  'undo-2': Undo2,
  unplug: Unplug,
  upload: Upload,
  'wand-sparkles': WandSparkles,
  waypoints: Waypoints,
  'wifi-off': WifiOff,
  workflow: Workflow,
  wrench: Wrench,
  x: X,
  zap: Zap,
  'zap-off': ZapOff,
  'zoom-in': ZoomIn,
  'zoom-out': ZoomOut,
};
