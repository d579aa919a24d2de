"""German."""

from refundry_explain.phrases.table import Phrases

GERMAN = Phrases(
    refund="Ihre Erstattung",
    refund_of="Ihre Erstattung über {amount}",
    on=" am {date}",
    by=" spätestens am {date}",
    sent_to_bank="{refund} wurde{when} an Ihre Bank gesendet.",
    sent="{refund} wurde{when} auf das Konto gesendet, mit dem Sie bezahlt haben.",
    banks_show="Banken zeigen sie gewöhnlich innerhalb von {least} bis {most} Bankarbeitstagen an.",
    if_not_shown="Falls sie nicht erscheint, nennen Sie Ihrer Bank diese Referenz: {reference}",
    overdue_at_bank="Banken haben sie gewöhnlich inzwischen angezeigt. Falls Sie sie nicht sehen, "
    "nennen Sie Ihrer Bank diese Referenz: {reference}",
    overdue_without_reference="Banken haben sie gewöhnlich inzwischen angezeigt. "
    "Falls Sie sie nicht sehen, sagen Sie uns bitte Bescheid.",
    started="{refund} wurde{when} begonnen und ist noch nicht abgeschlossen.",
    restarted="{refund} wird erneut bearbeitet und ist noch nicht abgeschlossen.",
    usually_takes="Das dauert gewöhnlich bis zu {span}.",
    takes_longer="Es dauert länger als gewöhnlich.",
    on_hold="{refund} ruht: Jemand muss sie prüfen, bevor es weitergehen kann.",
    failed="{refund} ist fehlgeschlagen. Bitte melden Sie sich bei uns, damit wir einen anderen Weg finden.",
    returned="{refund} wurde gesendet, dann aber{when} als fehlgeschlagen gemeldet. "
    "Bitte melden Sie sich bei uns, damit wir einen anderen Weg finden.",
    unclear="{refund} hat noch keinen eindeutigen Stand: Wir können nicht sicher sagen, ob sie gesendet wurde.",
    processor="dem Zahlungsdienstleister",
    wait_for_bank="Bis zum {date} ist nichts zu tun: So lange kann die Bank brauchen.",
    bank_can_trace="Die Bank des Kunden findet das Geld anhand der Referenz {reference}.",
    ask_for_reference="Falls der Kunde sie nicht sieht: bei {title} die Acquirer-Referenznummer (ARN) erfragen.",
    wait_for_processor="Noch ist nichts zu tun: später wieder bei {title} nachfragen.",
    wait_for_processor_until="Noch ist nichts zu tun: Bei {title} dauert es gewöhnlich bis zu {span}.",
    ask_why_late="Sie ist länger offen als gewöhnlich: bei {title} nach dem Grund fragen.",
    see_who_must_act="Jemand muss handeln, und wer, das steht nur bei {title}: dort nachsehen.",
    refund_otherwise="Den Grund des Fehlschlags klären; sicherstellen, dass es keine andere Erstattung gab, "
    "dann auf anderem Weg erstatten.",
    check_return="Bei {title} klären, ob das Geld zurückgekommen ist, bevor auf anderem Weg erstattet wird.",
    ask_what_holds="Bei {title} klären, was jetzt gilt. Vorher nicht noch einmal erstatten.",
    ask_now="Noch wurde nichts darüber gemeldet: jetzt bei {title} nachfragen.",
    word_is="Das Wort des Zahlungsdienstleisters ist \u201e{word}\u201c.",
    reason_is="Der genannte Grund: \u201e{reason}\u201c.",
    look_for_second_refund="Sie war einmal als fehlgeschlagen gemeldet: "
    "sicherstellen, dass nicht doppelt erstattet wurde.",
    compare_amounts="Es wurden verschiedene Beträge gemeldet: mit der Bestellung vergleichen.",
)
