{#-
  A view: whose conversation it is, by the contact's identifier, which the script and deliveries set, else its e-mail, else its
  phone number. It looks the contacts' values up in the identities of leads, so that leads that become one are followed.

  Reads the contacts of the tenant, and the leads and identities with their values by the tables' keys.
-#}
{{ config(materialized='view') }}

with

{{ leads_of_contacts(ref('chat_contacts')) }}

select * from leads_of_contacts
