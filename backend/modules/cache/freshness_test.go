package cache

import (
	"testing"
	"time"
)

func TestFreshness(t *testing.T) {
	converse(t, []conversation{
		drops("nothing said and no validator", "200\n\nold"),
		keeps("max-age", "200\nCache-Control: max-age=3600\n\nold"),
		drops("max-age is over", "200\nCache-Control: max-age=3\n\nold"),
		keeps("a moment before it is over", "200\nCache-Control: max-age=4\n\nold"),
		drops("max-age=0", "200\nCache-Control: max-age=0\n\nold"),
		keeps("the largest max-age", "200\nCache-Control: max-age=2147483648\n\nold"),
		keeps("one less than the largest", "200\nCache-Control: max-age=2147483647\n\nold"),
		keeps("one more than the largest", "200\nCache-Control: max-age=2147483649\n\nold"),
		keeps("larger than the largest", "200\nCache-Control: max-age=99999999999999999999999\n\nold"),
		drops("Age is more than max-age", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 7200\n\nold"),
		drops("Age and the time here are more", "200\nCache-Control: max-age=10\nAge: 8\n\nold"),
		drops("Date is older than max-age", "200\nDate: {-3600}\nCache-Control: max-age=3600\n\nold"),
		keeps("max-age before a past Expires", "200\nCache-Control: max-age=3600\nExpires: {-10000}\nDate: {0}\n\nold"),
		keeps("max-age before an Expires that is none", "200\nCache-Control: max-age=3600\nExpires: 0\nDate: {0}\n\nold"),
		drops("max-age=0 before a future Expires", "200\nExpires: {+10000}\nCache-Control: max-age=0\nDate: {0}\n\nold"),
		keeps("s-maxage", "200\nCache-Control: s-maxage=3600\n\nold"),
		drops("s-maxage before a longer max-age", "200\nCache-Control: max-age=3600, s-maxage=1\n\nold"),
		drops("the same in another order", "200\nCache-Control: s-maxage=1, max-age=3600\n\nold"),
		drops("the same on two lines", "200\nCache-Control: max-age=3600\nCache-Control: s-maxage=1\n\nold"),
		keeps("s-maxage before a shorter max-age", "200\nCache-Control: max-age=1, s-maxage=3600\n\nold"),
		keeps("s-maxage before max-age=0 and a past Expires", "200\nCache-Control: max-age=0, s-maxage=3600\nExpires: {-10}\n\nold"),
		drops("a negative s-maxage", "200\nCache-Control: s-maxage=-1, max-age=3600\n\nold"),

		keeps("Expires in the future", "200\nExpires: {+3600}\nDate: {0}\n\nold"),
		drops("Expires in the past", "200\nExpires: {-3600}\nDate: {0}\n\nold"),
		drops("Expires now", "200\nExpires: {0}\nDate: {0}\n\nold"),
		drops("Expires and Age", "200\nDate: {0}\nExpires: {+3600}\nAge: 7200\n\nold"),
		keeps("Expires without Date", "200\nExpires: {+3600}\n\nold"),
		keeps("a Date that is none", "200\nDate: foo\nExpires: {+3600}\n\nold"),
		drops("a server whose clock is ahead", "200\nDate: {+3600}\nExpires: {+3600}\n\nold"),
		drops("Date long ago, Expires soon", "200\nDate: {-3600}\nExpires: {+2}\n\nold"),
		keeps("Expires is counted from Date", "200\nDate: {+3600}\nExpires: {+7200}\n\nold"),
	})
}

func TestDirectivesAreParsed(t *testing.T) {
	converse(t, []conversation{
		keeps("quoted", "200\nCache-Control: max-age=\"3600\"\n\nold"),
		drops("quoted singly", "200\nCache-Control: max-age='3600'\n\nold"),
		drops("max-age within quotes before", "200\nCache-Control: extension=\"max-age=3600\", max-age=1\n\nold"),
		drops("max-age within quotes behind", "200\nCache-Control: max-age=1, extension=\"max-age=3600\"\n\nold"),
		drops("a comma within quotes", "200\nCache-Control: extension=\"a, max-age=3600\", max-age=1\n\nold"),
		drops("an escape within quotes", "200\nCache-Control: extension=\"\\\", max-age=3600, \", max-age=1\n\nold"),
		keeps("leading zeros", "200\nCache-Control: max-age=003600\n\nold"),
		drops("a fraction", "200\nCache-Control: max-age=3600.0\n\nold"),
		drops("negative", "200\nCache-Control: max-age=-3600\n\nold"),
		drops("no number", "200\nCache-Control: max-age=a3600\n\nold"),
		drops("letters behind it", "200\nCache-Control: max-age=3600a\n\nold"),
		drops("no value", "200\nCache-Control: max-age\n\nold"),
		drops("an empty value", "200\nCache-Control: max-age=\n\nold"),
		drops("a blank before the sign", "200\nCache-Control: max-age =3600\n\nold"),
		drops("a blank behind the sign", "200\nCache-Control: max-age= 3600\n\nold"),
		keeps("any case", "200\nCache-Control: MaX-aGe=3600\n\nold"),
		keeps("with others", "200\nCache-Control: foobar, ,,max-age=3600 , x=\"y\"\n\nold"),
		keeps("the first of two", "200\nCache-Control: max-age=1800, max-age=1\n\nold"),
		drops("the first of two lines", "200\nCache-Control: max-age=1\nCache-Control: max-age=1800\n\nold"),
		drops("no-store in any case", "200\nCache-Control: max-age=3600, No-StOrE\n\nold"),
		drops("what is no quoted string does not swallow the rest", "200\nCache-Control: no-store, foo=\"bar\n\nold"),
	})
}

func TestAgeIsParsed(t *testing.T) {
	converse(t, []conversation{
		keeps("no number", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: abc\n\nold"),
		keeps("negative", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: -7200\n\nold"),
		keeps("a fraction", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 7200.0\n\nold"),
		keeps("a parameter", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 7200;foo=bar\n\nold"),
		drops("the first of a list is old", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 7200, 0\n\nold"),
		keeps("the first of a list is young", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 0, 7200\n\nold"),
		drops("the first line is old", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 7200\nAge: 0\n\nold"),
		keeps("the first line is young", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 0\nAge: 7200\n\nold"),
		keeps("young twice", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 0, 0\n\nold"),
		keeps("young on two lines", "200\nDate: {0}\nCache-Control: max-age=10000\nAge: 3600\nAge: 3600\n\nold"),
		drops("one less than the largest", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 2147483647\n\nold"),
		drops("the largest", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 2147483648\n\nold"),
		drops("one more than the largest", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 2147483649\n\nold"),
		drops("too large for a number", "200\nDate: {0}\nCache-Control: max-age=3600\nAge: 99999999999999999999\n\nold"),
		drops("nothing", "200\nDate: {-3600}\nCache-Control: max-age=3600\nAge: \n\nold"),
	})
}

func TestExpiresIsParsed(t *testing.T) {
	with := func(expires string) string { return "200\nDate: {0}\nExpires: " + expires + "\n\nold" }
	converse(t, []conversation{
		keeps("as it should be", with("Thu, 18 Aug 2050 02:01:18 GMT")),
		keeps("just over 32 bits", with("Tue, 19 Jan 2038 14:14:08 GMT")),
		keeps("far in the future", with("Sun, 21 Nov 2286 04:46:39 GMT")),
		keeps("of RFC 850", with("Thursday, 18-Aug-49 02:01:18 GMT")),
		keeps("of asctime", with("Thu Aug  8 02:01:18 2050")),
		keeps("a weekday in capitals", with("THU, 18 Aug 2050 02:01:18 GMT")),
		keeps("a month in capitals", with("Thu, 18 AUG 2050 02:01:18 GMT")),
		keeps("a zone in small letters", with("Thu, 18 Aug 2050 02:01:18 gMT")),
		drops("of last century by RFC 850", with("Friday, 18-Aug-78 02:01:18 GMT")),
		drops("UTC", with("Thu, 18 Aug 2050 02:01:18 UTC")),
		drops("another zone", with("Thu, 18 Aug 2050 02:01:18 AEST")),
		drops("a year of two digits", with("Thu, 18 Aug 50 02:01:18 GMT")),
		drops("no comma", with("Thu 18 Aug 2050 02:01:18 GMT")),
		drops("several blanks", with("Thu, 18  Aug  2050 02:01:18 GMT")),
		drops("dashes", with("Thu, 18-Aug-2050 02:01:18 GMT")),
		drops("points in the time", with("Thu, 18 Aug 2050 02.01.18 GMT")),
		drops("an hour of one digit", with("Thu, 18 Aug 2050 2:01:18 GMT")),
		drops("the 31st of a month with 30", with("Thu, 31 Jun 2050 02:01:18 GMT")),
		drops("no date", with("0")),
		drops("empty", with("")),
		drops("several lines that are none", with("Thu, 18 Aug 2050 2:01:18 GMT\nExpires: Thu, 18 Aug 2050 2:01:19 GMT")),
		drops("several lines of which the first is none", with("Thu, 18 Aug 2050 2:01:18 GMT\nExpires: Thu, 18 Aug 2050 02:01:18 GMT")),
	})
}

func TestALifetimeIsMadeUpWhereItMayBe(t *testing.T) {
	const changed = "Last-Modified: {-100000}\nDate: {0}"
	var all []conversation
	for _, status := range []string{"200", "203", "204", "404", "405", "410", "414", "501", "300", "301", "308"} {
		all = append(all, keeps(status, status+"\n"+changed+"\n\n"))
	}
	for _, status := range []string{"201", "202", "302", "303", "307", "403", "429", "500", "502", "503", "504", "599"} {
		all = append(all, drops(status, status+"\n"+changed+"\n\n"))
	}
	all = append(all,
		keeps("599 that is public", "599\nCache-Control: public\n"+changed+"\n\n"),
		keepsFor("a tenth of the time", "", "200\nLast-Modified: {-1000}\nDate: {0}\n\nold", 99*time.Second, ""),
		dropsFor("not more than a tenth", "", "200\nLast-Modified: {-1000}\nDate: {0}\n\nold", 101*time.Second, ""),
		dropsFor("not more than a day", "", "200\nLast-Modified: {-100000000}\nDate: {0}\n\nold", 25*time.Hour, ""),
		drops("not with a cookie for somebody", "200\nSet-Cookie: a=b\n"+changed+"\n\nold"),
		drops("no lifetime by a change in the future", "200\nLast-Modified: {+1000}\nDate: {0}\n\nold"),
		keeps("Pragma of a response does not forbid it", "200\nPragma: no-cache\n"+changed+"\n\nold"),
		keeps("nor does a name to save it under", "200\nContent-Disposition: attachment; filename=a.txt\n"+changed+"\n\nold"),
	)
	converse(t, all)
}

func TestStatusesWithALifetime(t *testing.T) {
	var all []conversation
	for _, status := range []string{"200", "203", "204", "299", "301", "302", "303", "307", "308", "400", "404", "410", "499", "500", "502", "503", "504", "599"} {
		all = append(all,
			keeps(status+" fresh", status+"\nCache-Control: max-age=3600\nDate: {0}\n\n"),
			drops(status+" stale", status+"\nExpires: {-5000}\nDate: {0}\n\n"))
	}
	all = append(all,
		drops("must-understand and no known status", "299\nCache-Control: must-understand, max-age=3600\n\n"),
		drops("must-understand beside no-store and no known status", "599\nCache-Control: must-understand, no-store, max-age=3600\n\n"),
		keeps("must-understand before no-store", "200\nCache-Control: must-understand, no-store, max-age=3600\n\nold"))
	converse(t, all)
}

func TestATargetedFieldGoesFirst(t *testing.T) {
	converse(t, []conversation{
		keeps("alone", "200\nCDN-Cache-Control: max-age=3600\n\nold"),
		keeps("the largest", "200\nCDN-Cache-Control: max-age=2147483648\n\nold"),
		keeps("larger", "200\nCDN-Cache-Control: max-age=99999999999\n\nold"),
		drops("Age counts", "200\nDate: {0}\nCDN-Cache-Control: max-age=3600\nAge: 7200\n\nold"),
		drops("a blank before the sign: ignored whole", "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age =100\n\nold"),
		drops("a blank behind the sign: ignored whole", "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age= 100\n\nold"),
		drops("max-age=0", "200\nCDN-Cache-Control: max-age=0\n\nold"),
		keeps("with others", "200\nCDN-Cache-Control: foobar, max-age=3600\n\nold"),
		drops("capitals are no key", "200\nCDN-Cache-Control: MaX-aGe=3600\n\nold"),
		keeps("before a past Expires", "200\nCDN-Cache-Control: max-age=3600\nExpires: {-10000}\nDate: {0}\n\nold"),
		drops("max-age=0 before a future Expires", "200\nCDN-Cache-Control: max-age=0\nExpires: {+10000}\nDate: {0}\n\nold"),
		keeps("longer than Cache-Control", "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=3600\n\nold"),
		drops("shorter than Cache-Control", "200\nCache-Control: max-age=3600\nCDN-Cache-Control: max-age=1\n\nold"),
		drops("private", "200\nCDN-Cache-Control: private\nCache-Control: max-age=10000\n\nold"),
		drops("no-cache", "200\nCDN-Cache-Control: no-cache\nCache-Control: max-age=10000\n\nold"),
		drops("no-store", "200\nCDN-Cache-Control: no-store\nCache-Control: max-age=10000\n\nold"),
		keeps("before no-store", "200\nCDN-Cache-Control: max-age=10000\nCache-Control: no-store\n\nold"),
		drops("not well-formed", "200\nCDN-Cache-Control: max-age=10000, &&&&&\nCache-Control: no-store\n\nold"),
		drops("of another type", "200\nCDN-Cache-Control: max-age=\"10000\"\nCache-Control: no-store\n\nold"),
		keeps("parameters are dropped", "200\nCDN-Cache-Control: max-age=10000;a=1;b\nCache-Control: no-store\n\nold"),
		keeps("empty is ignored", "200\nCDN-Cache-Control: \nCache-Control: max-age=100\n\nold"),
		keeps("ours before the one for all", "200\nProxycache-Cache-Control: max-age=100\nCDN-Cache-Control: no-store\n\nold"),
		keeps("the one for all where ours does not stand", "200\nProxycache-Cache-Control: max-age=\nCDN-Cache-Control: max-age=100\n\nold"),
		keeps("on two lines", "200\nCDN-Cache-Control: foo\nCDN-Cache-Control: max-age=100\nCache-Control: no-store\n\nold"),
		keeps("what is said not to be is not", "200\nCDN-Cache-Control: no-store=?0, max-age=100\n\nold"),
		keeps("max-age before an Expires that is none", "200\nCDN-Cache-Control: max-age=3600\nExpires: 0\nDate: {0}\n\nold"),
		drops("private before all that is fresh", "200\nCDN-Cache-Control: private\nCache-Control: max-age=10000\nExpires: {+10000}\nDate: {0}\n\nold"),
		{name: "caches behind this one are told all that the server said", steps: []step{
			{gives: "200\nCache-Control: max-age=1\nExpires: {+1}\nDate: {0}\nCDN-Cache-Control: max-age=10000\n\nold", sent: "yes", body: "old", has: "CDN-Cache-Control: max-age=10000"},
			{after: 3 * time.Second, body: "old", has: "Age: 3\nDate: {-3}\nExpires: {-2}\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=10000"},
		}},
		{name: "what is no directive is handed on, too", steps: []step{
			{gives: "200\nCache-Control: max-age=100\nCDN-Cache-Control: foo\n\nold", sent: "yes", body: "old", has: "CDN-Cache-Control: foo"},
		}},
	})
}
