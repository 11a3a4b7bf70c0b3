/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a flame graph answer: the script and the style that stand in the picture itself. */
#ifndef REPORT_LIB_FLAMEGRAPH_SCRIPT_H
#define REPORT_LIB_FLAMEGRAPH_SCRIPT_H

static const char flamegraph_style[] =
	"text{font-family:Verdana,DejaVu Sans,sans-serif;font-size:12px;fill:#000}\n"
	".f{cursor:pointer}.f:hover rect{stroke:#000;stroke-width:1}.f text{pointer-events:none}\n"
	".up rect{opacity:.5}.hit rect{fill:#e040e0}.gone{display:none}\n"
	".b{cursor:pointer;text-decoration:underline}.t{font-size:16px}.s{fill:#555}\n";

/* Boxes have their place in the attributes of their rectangles, which are as they were drawn while
 * nothing is zoomed; what a box is called is the first line of its title. */
static const char flamegraph_script[] =
	"(function(){'use strict';\n"
	"var svg=document.documentElement,left=+svg.getAttribute('data-left'),"
	"wide=+svg.getAttribute('data-wide'),at=null,search=null;\n"
	"function id(i){return document.getElementById(i)}\n"
	"var boxes=[].map.call(svg.querySelectorAll('g.f'),function(g){\n"
	" var r=g.querySelector('rect'),title=g.querySelector('title').textContent;\n"
	" return{g:g,r:r,t:g.querySelector('text'),x:+r.getAttribute('x'),w:+r.getAttribute('width'),"
	"y:+r.getAttribute('y'),title:title,name:title.split('\\n')[0]}});\n"
	"function label(b,x,w){\n"
	" var n=Math.floor((w-6)/7),text=n<3?'':b.name.length<=n?b.name:b.name.slice(0,n-2)+'..';\n"
	" if(!b.t){if(!text)return;b.t=document.createElementNS('http://www.w3.org/2000/svg','text');"
	"b.t.setAttribute('y',b.y+12);b.g.appendChild(b.t)}\n"
	" b.t.setAttribute('x',x+3);b.t.textContent=text}\n"
	"function place(b,x,w){b.r.setAttribute('x',x);b.r.setAttribute('width',Math.max(w,0));label(b,x,w)}\n"
	/* A box is in a zoomed one when it is above it and within its sides; a parent spans all. */
	"function zoom(z){\n"
	" at=z;\n"
	" boxes.forEach(function(b){\n"
	"  var e=0.01,c=b.g.classList;c.remove('up');c.remove('gone');\n"
	"  if(!z){place(b,b.x,b.w);return}\n"
	"  if(b.y>z.y&&b.x<=z.x+e&&b.x+b.w>=z.x+z.w-e){c.add('up');place(b,left,wide)}\n"
	"  else if(b.y<=z.y&&b.x>=z.x-e&&b.x+b.w<=z.x+z.w+e)place(b,left+(b.x-z.x)*wide/z.w,b.w*wide/z.w);\n"
	"  else c.add('gone')});\n"
	" id('reset').classList.toggle('gone',!z);matched()}\n"
	/* Of boxes that stand on each other only the lowest counts. */
	"function matched(){\n"
	" var hits=[],sum=0,end=-1,from=at?at.x:left,to=at?at.x+at.w:left+wide;\n"
	" boxes.forEach(function(b){\n"
	"  var hit=!!search&&search.test(b.name);b.g.classList.toggle('hit',hit);\n"
	"  if(hit&&b.x<to&&b.x+b.w>from)hits.push([Math.max(b.x,from),Math.min(b.x+b.w,to)])});\n"
	" hits.sort(function(a,b){return a[0]-b[0]||b[1]-a[1]});\n"
	" hits.forEach(function(h){if(h[1]>end){sum+=h[1]-Math.max(h[0],end);end=h[1]}});\n"
	" id('found').textContent=search?'matched: '+(100*sum/(to-from)).toFixed(2)+' %':'';\n"
	" id('search').textContent=search?'Reset search':'Search'}\n"
	"function ask(){\n"
	" if(search){search=null;matched();return}\n"
	" var text=window.prompt('Names that contain (regular expression):','');\n"
	" find(text)}\n"
	"function find(text){\n"
	" if(!text)return;\n"
	" try{search=new RegExp(text)}catch(e){id('found').textContent='not a regular expression';return}\n"
	" matched()}\n"
	"boxes.forEach(function(b){\n"
	" b.g.addEventListener('click',function(){zoom(b.w>=wide-0.01&&!at?null:b)});\n"
	" b.g.addEventListener('mouseover',function(){id('details').textContent="
	"b.title.replace(/\\n/g,'   ')});\n"
	" b.g.addEventListener('mouseout',function(){id('details').textContent=''})});\n"
	"id('reset').addEventListener('click',function(){zoom(null)});\n"
	"id('search').addEventListener('click',ask);\n"
	"id('search').classList.remove('gone');\n"
	"window.addEventListener('keydown',function(e){\n"
	" if((e.ctrlKey||e.metaKey)&&e.key==='f'){e.preventDefault();search=null;ask()}\n"
	" if(e.key==='Escape')zoom(null)});\n"
	"window.flamegraph={find:find,reset:function(){search=null;zoom(null)}};\n"
	"})();\n";

#endif
