package export

// The members of a Postman collection 2.1.0, but for those that are written piece by piece: item,
// request, response, and the bodies.

type pmInfo struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Schema      string `json:"schema"`
}

type pmFolder struct {
	Name string `json:"name"`
}

type pmItem struct {
	Name      string       `json:"name"`
	Behaviour *pmBehaviour `json:"protocolProfileBehavior,omitempty"`
}

type pmBehaviour struct {
	KeepBody        bool            `json:"disableBodyPruning,omitempty"` // of a GET, which loses it otherwise
	RawURL          bool            `json:"disableUrlEncoding,omitempty"`
	OwnCookies      bool            `json:"disableCookies,omitempty"` // those of the request alone, not the jar's
	FollowRedirects *bool           `json:"followRedirects,omitempty"`
	WithoutAuto     map[string]bool `json:"disabledSystemHeaders,omitempty"` // fields that the request had not
}

type pmRequest struct {
	Method      string     `json:"method"`
	Header      []pmHeader `json:"header"`
	URL         pmURL      `json:"url"`
	Description string     `json:"description,omitempty"`
}

type pmHeader struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Disabled bool   `json:"disabled,omitempty"`
}

type pmURL struct {
	Raw   string    `json:"raw"`
	Host  []string  `json:"host"`
	Path  []string  `json:"path"`
	Query []pmQuery `json:"query,omitempty"`
}

// pmQuery is "key" where Value is nil, "key=" where it is empty.
type pmQuery struct {
	Key   string  `json:"key"`
	Value *string `json:"value"`
}

type pmRaw struct {
	Mode    string    `json:"mode"`
	Raw     string    `json:"raw"`
	Options pmOptions `json:"options"`
}

type pmOptions struct {
	Raw pmLanguage `json:"raw"`
}

type pmLanguage struct {
	Language string `json:"language"`
}

type pmResponse struct {
	Name         string     `json:"name"`
	Status       string     `json:"status"`
	Code         int        `json:"code"`
	ResponseTime float64    `json:"responseTime"` // milliseconds
	Header       []pmHeader `json:"header"`
	Cookie       []pmCookie `json:"cookie"`
}

// pmCookie is always missing: an example's cookies are in its Set-Cookie fields.
type pmCookie struct{}

type pmVariable struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Type  string `json:"type"`
}
