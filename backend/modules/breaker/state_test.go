package breaker

import (
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestAPersonOpensAndClosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, nil)
		act := func(name, target string) (string, error) {
			return b.Act(t.Context(), name, map[string]string{"target": target})
		}
		if _, err := act("open", ""); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%v", err)
		}
		ask(t, b, 1, (&origin{status: 200}).next)
		if done, err := act("open", "shop"); err != nil || done != "Opened shop for 30s." {
			t.Errorf("%q %v", done, err)
		}
		stands(t, b, "open, 30 s left")
		if _, err := act("close", "shpo"); problem.Of(err).Where != "target" {
			t.Errorf("%v", err)
		}
		time.Sleep(4 * time.Second)
		if done, err := act("close", ""); err != nil || done != "Closed shop." {
			t.Errorf("%q %v", done, err)
		}
		stands(t, b, "closed")
		got := map[string]float64{}
		for _, f := range b.State().Figures {
			key := f.Name
			for _, l := range f.Labels {
				key += " " + l.Value
			}
			got[key] = f.Value
		}
		for key, want := range map[string]float64{
			"state shop closed": 1, "state shop open": 0, "seconds_total shop open": 4, "transitions_total shop closed open": 1,
			"transitions_total shop open recovering": 1, "transitions_total shop recovering closed": 1, "transitions_total shop recovering open": 0, "rejected_total shop": 0,
		} {
			if value, there := got[key]; !there || value != want {
				t.Errorf("%s is %v, want %v", key, value, want)
			}
		}
		for _, a := range b.Actions() {
			if a.Title == "" || a.Help == "" || len(a.Arguments) != 1 {
				t.Errorf("%+v", a)
			}
		}
	})
}

func TestTheStateOutlivesAnEdit(t *testing.T) {
	keep := new(policy.Keep)
	env := policy.NewEnv("a/breaker", nil, keep)
	make := func(values map[string]any) *breaker {
		s := new(Settings)
		if problems := schema.Decode("", values, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		p, err := s.Policy(env)
		if err != nil {
			t.Fatal(err)
		}
		return p.(*breaker)
	}
	ask(t, make(map[string]any{"minimum": int64(1)}), 1, (&origin{status: 500}).next)
	if _, _, err := ask(t, make(map[string]any{"window": "1m"}), 1, (&origin{status: 200}).next); problem.KindOf(err) != problem.DestinationUnavailable {
		t.Errorf("%v", err)
	}
}
