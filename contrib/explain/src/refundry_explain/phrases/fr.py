"""French."""

from refundry_explain.phrases.table import Phrases

FRENCH = Phrases(
    refund="Votre remboursement",
    refund_of="Votre remboursement de {amount}",
    on=" le {date}",
    by=" au plus tard le {date}",
    sent_to_bank="{refund} a été envoyé à votre banque{when}.",
    sent="{refund} a été envoyé{when} vers le compte avec lequel vous avez payé.",
    banks_show="Les banques l\u2019affichent généralement sous {least} à {most} jours ouvrés.",
    if_not_shown="S\u2019il n\u2019apparaît pas, donnez cette référence à votre banque\u00a0: {reference}",
    overdue_at_bank="Les banques l\u2019ont généralement affiché à cette date. Si vous ne le voyez pas, "
    "donnez cette référence à votre banque\u00a0: {reference}",
    overdue_without_reference="Les banques l\u2019ont généralement affiché à cette date. "
    "Si vous ne le voyez pas, dites-le-nous.",
    started="{refund} a été lancé{when} et n\u2019est pas encore terminé.",
    restarted="{refund} est de nouveau en cours et n\u2019est pas encore terminé.",
    usually_takes="Cela prend généralement jusqu\u2019à {span}.",
    takes_longer="Cela prend plus de temps que d\u2019habitude.",
    on_hold="{refund} est en attente\u00a0: quelqu\u2019un doit l\u2019examiner avant qu\u2019il puisse continuer.",
    failed="{refund} n\u2019a pas abouti. Veuillez nous contacter pour que nous trouvions une autre solution.",
    returned="{refund} a été envoyé, puis signalé comme échoué{when}. "
    "Veuillez nous contacter pour que nous trouvions une autre solution.",
    unclear="{refund} n\u2019a pas encore d\u2019état clair\u00a0: "
    "nous ne pouvons pas dire avec certitude s\u2019il a été envoyé.",
    processor="le prestataire de paiement",
    wait_for_bank="Rien à faire avant le {date}\u00a0: la banque peut prendre jusque-là.",
    bank_can_trace="La banque du client peut retrouver l\u2019argent avec la référence {reference}.",
    ask_for_reference="Si le client ne le voit pas, "
    "demander le numéro de référence de l\u2019acquéreur (ARN) chez {title}.",
    wait_for_processor="Rien à faire pour l\u2019instant\u00a0: redemander plus tard chez {title}.",
    wait_for_processor_until="Rien à faire pour l\u2019instant\u00a0: "
    "chez {title}, cela prend généralement jusqu\u2019à {span}.",
    ask_why_late="Il est ouvert depuis plus longtemps que d\u2019habitude\u00a0: demander pourquoi chez {title}.",
    see_who_must_act="Quelqu\u2019un doit agir, et l\u2019on ne peut voir qui que chez {title}\u00a0: y regarder.",
    refund_otherwise="Chercher pourquoi il a échoué\u00a0; "
    "vérifier qu\u2019aucun autre remboursement n\u2019a été fait, "
    "puis rembourser autrement.",
    check_return="Demander chez {title} si l\u2019argent est revenu avant de rembourser autrement.",
    ask_what_holds="Demander chez {title} ce qui vaut à présent. Ne pas rembourser de nouveau avant que ce soit clair.",
    ask_now="Rien n\u2019a encore été signalé\u00a0: demander maintenant chez {title}.",
    word_is="Le mot du prestataire est «\u00a0{word}\u00a0».",
    reason_is="La raison donnée\u00a0: «\u00a0{reason}\u00a0».",
    look_for_second_refund="Il a été une fois signalé comme échoué\u00a0: "
    "vérifier qu\u2019il n\u2019a pas été remboursé deux fois.",
    compare_amounts="Des montants différents ont été signalés\u00a0: les comparer à la commande.",
)
